import type { SentPacket } from "../recovery/SentPacket.ts"
import { Space } from "../wire/PacketType.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { PathScheduler, SendDemand } from "../capability/PathScheduling.ts"
import type { PathSet } from "./PathSet.ts"
import { PathView } from "./PathView.ts"

/** Whose paths they are. */
export interface OrderedConnection {
  readonly paths: PathSet
  readonly frames: {
    /** Has the frames of a packet of `path` sent once more, on `other`; false if that is not meant for it. */
    repeatOn(other: ConnectionPath, path: ConnectionPath, packet: SentPacket): boolean
  }
}

const none: ReadonlyArray<never> = []

/**
 * The order in which the paths of a connection are asked for a datagram: first those that carry no data, whose own frames
 * are few and urgent, then those that do, as the scheduler says. Those it leaves out send their own frames only.
 */
export class SendOrder {
  private readonly connection: OrderedConnection
  private readonly scheduler: PathScheduler
  private readonly demand: SendDemand
  /** Of those that carry data. */
  private views: ReadonlyArray<PathView> = none
  /** Open, but for their own frames only. */
  private others: ReadonlyArray<ConnectionPath> = none
  /** Where data was sent last, and the paths on which that is sent again. */
  private source: ConnectionPath | undefined = undefined
  private readonly copies: Array<ConnectionPath> = []
  private copying: ConnectionPath | undefined = undefined

  constructor(connection: OrderedConnection, scheduler: PathScheduler, demand: SendDemand) {
    this.connection = connection
    this.scheduler = scheduler
    this.demand = demand
  }

  private get paths(): PathSet {
    return this.connection.paths
  }

  /** Which paths carry data has changed. */
  update(): void {
    const before = this.views
    const carriers = this.paths.all.filter(({ status }) => status.carries)
    this.views = carriers.map((path) => before.find((view) => view.path === path) ?? new PathView(path))
    for (const view of before) if (!this.views.includes(view)) this.scheduler.onRemoved?.(view)
    for (const view of this.views) if (!before.includes(view)) this.scheduler.onAdded?.(view)
    this.others = this.paths.open.filter(({ status }) => !status.carries)
    for (const { status } of this.paths) status.isPassedOver = false
    this.copies.length = 0
  }

  order(nowMicros: number): ReadonlyArray<ConnectionPath> {
    const { all } = this.paths
    if (all.length === 1) return all
    const copy = (this.copying = this.takeCopy(nowMicros))
    if (copy !== undefined) return [copy, ...all]
    const { views, others } = this
    const order = [...others]
    const chosen = views.length < 2 ? views : this.choose(nowMicros)
    for (const { path } of chosen) order.push(path)
    for (const view of views) {
      const { status } = view.path
      status.isPassedOver = !chosen.includes(view)
      if (status.isPassedOver) order.push(view.path)
    }
    return order
  }

  /** What the scheduler says, unless it waits for paths that may have fallen silent. */
  private choose(nowMicros: number): ReadonlyArray<PathView> {
    const { views } = this
    for (const view of views) view.observe(nowMicros)
    this.paths.filter.onAny()
    const chosen = this.scheduler.choose(views, this.demand) as ReadonlyArray<PathView>
    const isInVain = chosen.every(({ hasRoom, isOverdue }) => !hasRoom && isOverdue)
    return isInVain ? [...chosen, ...views.filter((view) => !chosen.includes(view))] : chosen
  }

  /** A datagram was sent on `path`, whose data may have to be sent on others too. */
  onSent(path: ConnectionPath): void {
    if (this.scheduler.isRedundant !== true || this.views.length < 2) return
    if (path === this.copying || !path.status.carries) return
    this.source = path
    for (const { path: other } of this.views) if (other !== path) this.copies.push(other)
  }

  /** The next path on which the last data is sent once more. One without room is left out, or another would carry the data twice. */
  private takeCopy(nowMicros: number): ConnectionPath | undefined {
    for (let path = this.copies.pop(); path !== undefined; path = this.copies.pop()) {
      const packet = this.source?.recovery.newestOutstanding(Space.Application)
      if (packet === undefined || !path.maySend || !path.mayElicit(nowMicros)) continue
      if (this.connection.frames.repeatOn(path, this.source!, packet)) return path
    }
    return undefined
  }
}
