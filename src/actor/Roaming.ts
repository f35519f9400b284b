/**
 * Moves the connections that an endpoint has made when the network around it changes.
 *
 * It owns one fiber, which watches the network interfaces for as long as there is such a connection, and the decision
 * which of them move. A connection whose socket is bound to one address moves when that address is gone, and not while
 * it is there. One on a wildcard socket moves when the system sends from another address than before: it would do so
 * anyway, but an observer must not see the same connection ID at two addresses (RFC 9000 §9.5). Routes may change a
 * moment after addresses do, so each change is looked at more than once.
 *
 * Of a connection with several paths, those whose address is gone are abandoned, as long as one that works is left.
 *
 * What no interface shows is found out by silence: a connection whose server does not answer probes a route from another
 * port, and takes it when the server answers there.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { NetworkInterfacesShape } from "../capability/NetworkInterfaces.ts"
import type { UdpSocket } from "../capability/UdpPort.ts"
import type { ConnectionPath } from "../connection/ConnectionPath.ts"
import { AbandonCode } from "../connection/Multipath.ts"
import type { SocketNumber } from "../path/Route.ts"
import type { QuicError } from "../QuicError.ts"
import { isWildcard, whyUnreachable } from "../wire/destination.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { Branch } from "./Branch.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { MovePace } from "./MovePace.ts"
import { abandonPath } from "./openPath.ts"

/** A change is looked at so many more times, in case routes follow addresses. */
const LATER_LOOKS = Schedule.upTo(Schedule.spaced(1_000), { times: 3 })
/** What is remembered of addresses is forgotten beyond this many. */
const MAX_REMEMBERED = 1024
/**
 * How long connections are gathered: unanswered ones, to try the same new port, as many may lose their servers at once;
 * new ones, as most of those that are over by then need not be looked at.
 */
const GATHER_MILLIS = 100

/**
 * Opens a socket that reaches every family; it is closed when no connection uses it. `isForNew`: a client's new
 * connections use it too, as their address is gone.
 */
export type OpenRefuge = (isForNew: boolean) => Effect.Effect<SocketNumber, QuicError>

/** What roaming needs of its endpoint. */
export interface RoamingHost {
  readonly branch: Branch
  /** The socket of new connections. */
  readonly socket: UdpSocket
  /** Microseconds on the endpoint's clock. */
  now(): number
  addressOf(socket: SocketNumber): SocketAddress
  report(what: string, cause: Cause.Cause<unknown>): void
}

export class Roaming {
  private readonly host: RoamingHost
  private readonly openRefuge: OpenRefuge
  private readonly interfaces: NetworkInterfacesShape | undefined
  private readonly roamers = new Set<ConnectionActor>()
  private readonly pace = new MovePace()
  /** The address that the system sends from, for paths on wildcard sockets. */
  private readonly sources = new WeakMap<ConnectionPath, string>()
  /** The same by the host it sends to, since all were looked at. */
  private readonly sourcesByRemote = new Map<string, string | undefined>()
  /** Addresses that some interface has had. */
  private readonly seen = new Set<string>()
  private readonly unanswered = new Set<ConnectionActor>()
  /** Nobody has looked at them yet. */
  private readonly newcomers = new Set<ConnectionActor>()
  /** The fiber that watches, and below it those that look at single connections, while there is one. */
  private watch: Branch | undefined = undefined

  /** Without `interfaces`, connections only move when they are not answered. */
  constructor(host: RoamingHost, openRefuge: OpenRefuge, interfaces: NetworkInterfacesShape | undefined) {
    this.host = host
    this.openRefuge = openRefuge
    this.interfaces = interfaces
  }

  /** The endpoint has made a connection. */
  add(actor: ConnectionActor): void {
    const { interfaces, roamers, newcomers, host } = this
    roamers.add(actor)
    if (roamers.size === 1) this.watch = this.forkBelow(host.branch, this.follow)
    else if (interfaces !== undefined) {
      newcomers.add(actor)
      if (newcomers.size === 1) this.fork(this.lookAtNewcomers(interfaces))
    }
  }

  remove(actor: ConnectionActor): void {
    if (!this.roamers.delete(actor) || this.roamers.size > 0) return
    this.unanswered.clear()
    this.newcomers.clear()
    this.watch?.interruptUnsafe()
  }

  /** Its server has answered none of several probes. */
  onUnanswered(actor: ConnectionActor): void {
    if (!this.roamers.has(actor)) return
    this.unanswered.add(actor)
    if (this.unanswered.size === 1) this.fork(this.tryAnotherPort)
  }

  private fork(effect: Effect.Effect<void>): void {
    if (this.watch !== undefined) this.forkBelow(this.watch, effect)
  }

  private forkBelow(branch: Branch, effect: Effect.Effect<void>): Branch {
    return branch.fork(effect, (cause) => this.host.report("the network is not followed any more", cause))
  }

  private get follow(): Effect.Effect<void> {
    const { interfaces } = this
    if (interfaces === undefined) return Effect.never
    const following = interfaces.changes.pipe(
      Stream.switchMap(() => Stream.fromEffectSchedule(Effect.void, LATER_LOOKS)),
      Stream.runForEach(() => this.lookAnew(interfaces, this.roamers))
    )
    return Effect.delay(following, GATHER_MILLIS)
  }

  private lookAtNewcomers(interfaces: NetworkInterfacesShape): Effect.Effect<void> {
    const look = Effect.suspend(() => {
      const actors = [...this.newcomers].filter(({ failure }) => failure === undefined)
      this.newcomers.clear()
      return actors.length === 0 ? Effect.void : this.look(interfaces, actors)
    })
    return Effect.delay(look, GATHER_MILLIS)
  }

  private lookAnew(
    interfaces: NetworkInterfacesShape,
    actors: Iterable<ConnectionActor>
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.sourcesByRemote.clear()
      return this.look(interfaces, actors)
    })
  }

  /** Moves those whose address is gone or was replaced. */
  private look(interfaces: NetworkInterfacesShape, actors: Iterable<ConnectionActor>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { host, pace } = this
      const here = new Set((yield* interfaces.addresses).map(({ address }) => address))
      if (this.seen.size > MAX_REMEMBERED) this.seen.clear()
      for (const address of here) this.seen.add(address)
      const hasLeft = this.leavePaths(here, actors)
      const movers = yield* this.moversAmong(interfaces, here, actors)
      const waitMillis = pace.waitMillis(host.now() / 1000)
      const due = waitMillis === 0 ? movers : movers.filter(({ isCutOff }) => isCutOff)
      const isMainGone = this.isGone(host.socket.localAddress.host, here)
      if (due.length > 0 || (hasLeft && isMainGone)) yield* this.move(due, isMainGone)
      if (due.length < movers.length) yield* Effect.delay(this.lookAnew(interfaces, actors), waitMillis)
    })
  }

  /** Abandons the paths whose address is gone where others are left, which go on at once; returns whether there were any. */
  private leavePaths(here: ReadonlySet<string>, actors: Iterable<ConnectionActor>): boolean {
    const isLost = (path: ConnectionPath): boolean => {
      const bound = this.host.addressOf(path.routes.current.socket).host
      return this.isGone(isWildcard(bound) ? (this.sources.get(path) ?? bound) : bound, here)
    }
    let hasLeft = false
    for (const actor of [...actors]) {
      const { open } = actor.core.paths
      if (actor.failure !== undefined || open.length < 2) continue
      const lost = open.filter(isLost)
      if (lost.length === 0 || !open.some((path) => path.status.isUsable && !lost.includes(path))) continue
      for (const path of lost) abandonPath(actor, path, AbandonCode.PATH_UNSTABLE_OR_POOR)
      hasLeft = true
    }
    return hasLeft
  }

  private moversAmong(
    interfaces: NetworkInterfacesShape,
    here: ReadonlySet<string>,
    actors: Iterable<ConnectionActor>
  ): Effect.Effect<ReadonlyArray<Mover>> {
    return Effect.gen({ self: this }, function* () {
      const { sourcesByRemote } = this
      if (sourcesByRemote.size > MAX_REMEMBERED) sourcesByRemote.clear()
      const movers: Array<Mover> = []
      for (const actor of [...actors]) {
        if (actor.failure !== undefined) continue
        const { path } = actor.core
        const { remote, routes } = path
        if (!sourcesByRemote.has(remote.host))
          sourcesByRemote.set(remote.host, yield* interfaces.sourceAddress(remote))
        const source = sourcesByRemote.get(remote.host)
        if (source === undefined) continue // nothing leads there
        const bound = this.host.addressOf(routes.current.socket).host
        const isCutOff = this.isGone(bound, here)
        const isElsewhere = isWildcard(bound) && source !== (this.sources.get(path) ?? source)
        if (isCutOff || isElsewhere) movers.push({ actor, path, source, isCutOff })
        else this.sources.set(path, source)
      }
      return movers
    })
  }

  /** An address that no interface ever had, such as `127.0.0.2`, is not gone when none has it. */
  private isGone(bound: string, here: ReadonlySet<string>): boolean {
    return this.seen.has(bound) && !here.has(bound)
  }

  private move(movers: ReadonlyArray<Mover>, isMainGone: boolean): Effect.Effect<void> {
    const { host } = this
    return this.withRefuge(isMainGone, (socket) => {
      for (const { actor, path, source } of movers) {
        this.sources.set(path, source)
        if (!this.mayUse(socket, actor)) continue
        actor.core.rebind(socket, host.now(), path, "MobileChurn")
        actor.touch()
      }
    })
  }

  /** Has all those that are still not answered probe a route from the same new port. */
  private get tryAnotherPort(): Effect.Effect<void> {
    const { host, unanswered } = this
    const gathered = Effect.suspend(() => {
      const silent = [...unanswered].filter(({ core }) => core.isUnanswered)
      unanswered.clear()
      // later probes will say so again
      if (silent.length === 0 || this.pace.waitMillis(host.now() / 1000) > 0) return Effect.void
      return this.withRefuge(false, (socket) => {
        for (const actor of silent) {
          if (!this.mayUse(socket, actor)) continue
          actor.core.migrate(socket, host.now(), actor.core.path, "MobileChurn")
          actor.touch()
        }
      })
    })
    return Effect.delay(gathered, GATHER_MILLIS)
  }

  /** Without a socket to move to, connections stay where they are. */
  private withRefuge(isForNew: boolean, use: (socket: SocketNumber) => void): Effect.Effect<void> {
    const { host } = this
    return Effect.match(this.openRefuge(isForNew), {
      onSuccess: (socket) => {
        this.pace.onMoved(host.now() / 1000)
        use(socket)
      },
      onFailure: (error) => host.report("no socket to move to", Cause.fail(error))
    })
  }

  private mayUse(socket: SocketNumber, { failure, core }: ConnectionActor): boolean {
    return (
      failure === undefined && whyUnreachable(this.host.addressOf(socket), core.path.remote) === undefined
    )
  }
}

/** A path that moves, and where from it will be sent. */
interface Mover {
  readonly actor: ConnectionActor
  readonly path: ConnectionPath
  readonly source: string
  /** Its socket is bound to an address that is gone. Others are only told to use another connection ID, which can wait. */
  readonly isCutOff: boolean
}
