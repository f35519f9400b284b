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
import type { Branch } from "./Branch.ts"
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

export class Handlers {
  private readonly host: HandledConnection
  /** The fiber that `serve` runs. */
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** One for each running `serveStreams`. */
  private groups: Set<Branch> = none
  private deadline: Branch | undefined = undefined
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
    return this.fiber !== undefined || this.groups.size > 0
  }

  /** Waits until none runs. */
  get whenIdle(): Effect.Effect<void> {
    return Effect.suspend(() => (this.isBusy ? this.changed.parkThen(this.whenIdle) : Effect.void))
  }

  /** Whether `serveStreams` runs. */
  get isServingStreams(): boolean {
    return this.groups.size > 0
  }

  /** Waits until no `serveStreams` runs. */
  get whenStreamsServed(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.isServingStreams ? this.changed.parkThen(this.whenStreamsServed) : Effect.void
    )
  }

  /** Runs the handler of the connection itself, which may outlive the connection for a while. */
  run(start: () => Fiber.Fiber<void>, onExit: () => void): void {
    const { host } = this
    const ended = (exit: Exit.Exit<unknown>) => {
      this.fiber = undefined
      this.deadline?.interruptUnsafe()
      this.deadline = undefined
      if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) host.onDefect(exit.cause)
      this.report()
      onExit()
    }
    const fiber = host.parent.leaf(start, ended)
    // it may be done already
    if (fiber === undefined || fiber.pollUnsafe() !== undefined) return
    this.fiber = fiber
    this.report()
    if (host.isOver) this.onOver()
  }

  /** Interrupts the handler of the connection itself. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => (this.fiber === undefined ? Effect.void : Fiber.interrupt(this.fiber)))
  }

  /** A group for stream handlers, until it is closed. */
  open(): Branch {
    const group = this.host.parent.group()
    if (this.groups === none) this.groups = new Set()
    this.groups.add(group)
    this.report()
    return group
  }

  close(group: Branch): Effect.Effect<void> {
    const forget = Effect.sync(() => {
      this.groups.delete(group)
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
const none = new Set<Branch>()
