/**
 * A place in the fiber tree: one fiber at most, and the branches below it.
 *
 * It owns the lifetimes below itself. Whoever holds a branch can grow another from it, also in the middle of the
 * endpoint's synchronous turn. A branch whose fiber ends takes what has grown from it along; closing goes from the
 * leaves to the root, the youngest first. A defect is told to the parent's policy, `onDefect`, and goes no further.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { WaitList } from "./WaitList.ts"

/** What runs the fibers of a tree. */
export type RunFork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

/** What the parent does about a fiber that died. */
export type DefectPolicy = (cause: Cause.Cause<unknown>) => void

export class Branch {
  private readonly runFork: RunFork
  private readonly parent: Branch | undefined
  /** In the order they grew; most branches are leaves. */
  private grown: Set<Branch> | undefined = undefined
  /** Fibers that nothing grows from: the handlers of streams, of which there can be very many. */
  private leaves: Set<Fiber.Fiber<unknown, unknown>> | undefined = undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private closing = false
  private emptied: WaitList | undefined = undefined

  /** The root of a tree; the others grow from it. */
  constructor(runFork: RunFork, parent?: Branch) {
    this.runFork = runFork
    this.parent = parent
  }

  /** Identifies the fiber in logs and traces; undefined for a branch that only holds others together. */
  get fiberId(): number | undefined {
    return this.fiber?.id
  }

  /** There is no fiber here, or it has ended. */
  get isDone(): boolean {
    return this.fiber === undefined || this.fiber.pollUnsafe() !== undefined
  }

  /** Nothing grows from here any more. */
  get isClosing(): boolean {
    return this.closing
  }

  get children(): Iterable<Branch> {
    return this.grown ?? []
  }

  /** Fibers at and below this place. */
  get fiberCount(): number {
    let count = this.isDone ? 0 : 1
    for (const child of this.children) count += child.fiberCount
    return count + (this.leaves?.size ?? 0)
  }

  /** A branch without a fiber of its own, which holds others together until it is closed. */
  group(): Branch {
    const branch = new Branch(this.runFork, this)
    branch.closing = this.closing
    if (!this.closing) (this.grown ??= new Set()).add(branch)
    return branch
  }

  /** Starts a fiber below this one, at once. From a branch that is being closed nothing grows any more. */
  fork<E>(effect: Effect.Effect<unknown, E>, onDefect: DefectPolicy): Branch {
    const branch = this.group()
    if (branch.closing) return branch
    const fiber = this.runFork(effect)
    branch.fiber = fiber
    fiber.addObserver((exit) => {
      branch.detach()
      // those that closing has not ended already
      if (branch.grown !== undefined || branch.leaves !== undefined) branch.interruptUnsafe()
      if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) onDefect(exit.cause)
    })
    return branch
  }

  /**
   * Starts a fiber that nothing grows from, wherever `start` runs it; `onExit` answers for its defects too. From a branch
   * that is being closed none starts.
   */
  leaf<E>(
    start: () => Fiber.Fiber<unknown, E>,
    onExit: (exit: Exit.Exit<unknown, E>) => void
  ): Fiber.Fiber<unknown, unknown> | undefined {
    if (this.closing) {
      onExit(Exit.interrupt())
      return undefined
    }
    const leaves = (this.leaves ??= new Set())
    const fiber = start()
    leaves.add(fiber)
    fiber.addObserver((exit) => {
      leaves.delete(fiber)
      onExit(exit)
      if (leaves.size === 0) this.emptied?.wakeAll()
    })
    return fiber
  }

  /** Ends everything above this place first, then the fiber here, and waits for it. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { fiber } = this
      return Effect.andThen(
        this.closeChildren,
        fiber === undefined ? Effect.sync(() => this.detach()) : Effect.asVoid(Fiber.interrupt(fiber))
      )
    })
  }

  /** Ends what has grown from here, the youngest first. */
  private get closeChildren(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closing = true
      const leaves = this.leaves === undefined ? Effect.void : Fiber.interruptAll([...this.leaves].reverse())
      if (this.grown === undefined) return leaves
      const branches = Effect.forEach([...this.grown].reverse(), (child) => child.close, { discard: true })
      return Effect.andThen(leaves, branches)
    })
  }

  /** Asks everything here to end, and does not wait. */
  interruptUnsafe(): void {
    this.closing = true
    for (const leaf of this.leaves ?? []) leaf.interruptUnsafe()
    for (const child of this.children) child.interruptUnsafe()
    this.fiber?.interruptUnsafe()
  }

  /** Waits until nothing grows from here. */
  get whenEmpty(): Effect.Effect<void> {
    return Effect.suspend(() =>
      (this.grown?.size ?? 0) + (this.leaves?.size ?? 0) === 0
        ? Effect.void
        : (this.emptied ??= new WaitList()).parkThen(this.whenEmpty)
    )
  }

  private detach(): void {
    const { parent } = this
    if (parent?.grown?.delete(this) === true && parent.grown.size === 0) parent.emptied?.wakeAll()
  }
}
