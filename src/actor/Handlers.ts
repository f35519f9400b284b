/**
 * The running handlers of one connection: that of `serve`, and those that `serveStreams` runs for its streams.
 *
 * They may outlive the connection for a while to finish cleanly, so they are not below its branch but beside it. The
 * tree shows the connection until the last of them has ended, even after it is drained.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Branch, LeafOwner } from "./Branch.ts"
import { WaitList } from "./WaitList.ts"

/** Extra time for a connection's handler after its stream handlers, for what follows `serveStreams`. */
const AFTERWARDS_MILLIS = 500

/** What the handlers need of their connection. */
export interface HandledConnection {
  /** The parent of their branches. */
  readonly parent: Branch
  /** How long they may run after the connection has ended. */
  readonly graceMillis: number
  readonly isOver: boolean
  onDefect(cause: Cause.Cause<unknown>): void
  /** Called when the first starts, and when the last has ended. */
  onBusy(isBusy: boolean): void
}

export class Handlers implements LeafOwner {
  private readonly host: HandledConnection
  /** The fiber that `serve` runs. */
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** One for each running `serveStreams`. */
  private groups: ReadonlyArray<Branch> = none
  private deadline: Branch | undefined = undefined
  /** All of those `serve` has started. */
  private running: Set<Handlers> | undefined = undefined
  private readonly changed = new WaitList()

  constructor(host: HandledConnection) {
    this.host = host
  }

  /** The ID of the fiber that `serve` runs. */
  get fiberId(): number | undefined {
    return this.fiber?.id
  }

  get fiberCount(): number {
    let count = this.fiber === undefined ? 0 : 1
    for (const group of this.groups) count += group.fiberCount
    return count
  }

  /** Whether any runs. */
  get isBusy(): boolean {
    return this.fiber !== undefined || this.groups.length > 0
  }

  /** Waits until none runs. */
  get whenIdle(): Effect.Effect<void> {
    return Effect.suspend(() => (this.isBusy ? this.changed.parkThen(this.whenIdle) : Effect.void))
  }

  /** Whether `serveStreams` runs. */
  get isServingStreams(): boolean {
    return this.groups.length > 0
  }

  /** Waits until no `serveStreams` runs. */
  get whenStreamsServed(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.isServingStreams ? this.changed.parkThen(this.whenStreamsServed) : Effect.void
    )
  }

  /**
   * Runs the handler of the connection itself, which may outlive the connection for a while. These are among `running` until
   * it has ended.
   */
  run(start: () => Fiber.Fiber<void>, running: Set<Handlers>): void {
    const { host } = this
    this.running = running
    running.add(this)
    const fiber = host.parent.leaf(start, this)
    // it may be done already
    if (fiber === undefined || fiber.pollUnsafe() !== undefined) return
    this.fiber = fiber
    this.report()
    if (host.isOver) this.onOver()
  }

  /** The handler of the connection itself has ended. */
  onExit(exit: Exit.Exit<unknown>): void {
    this.fiber = undefined
    this.deadline?.interruptUnsafe()
    this.deadline = undefined
    if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) this.host.onDefect(exit.cause)
    this.report()
    this.running?.delete(this)
  }

  /** Interrupts the handler of the connection itself. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => (this.fiber === undefined ? Effect.void : Fiber.interrupt(this.fiber)))
  }

  /** A group for stream handlers, until it is closed. */
  open(): Branch {
    const group = this.host.parent.group()
    this.groups = this.groups.concat(group)
    this.report()
    return group
  }

  close(group: Branch): Effect.Effect<void> {
    const forget = Effect.sync(() => {
      this.groups = this.groups.filter((other) => other !== group)
      this.report()
    })
    return Effect.ensuring(group.close, forget)
  }

  /** The connection has ended. `serveStreams` ends its own stream handlers. */
  onOver(): void {
    const { fiber, host } = this
    if (fiber === undefined || this.deadline !== undefined) return
    const end = Effect.sync(() => fiber.interruptUnsafe())
    this.deadline = host.parent.fork(Effect.delay(end, host.graceMillis + AFTERWARDS_MILLIS), (cause) =>
      host.onDefect(cause)
    )
  }

  private report(): void {
    this.host.onBusy(this.isBusy)
    this.changed.wakeAll()
  }
}

/** Most connections run no `serveStreams`, or have a handler of their own only. */
const none: ReadonlyArray<Branch> = []
