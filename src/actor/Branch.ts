/**
 * A node of the fiber tree: at most one fiber, and the branches below it.
 *
 * It owns the lifetimes below it. A branch can be forked from any other, also during the endpoint's synchronous turn.
 * When the fiber of a branch ends, everything forked from it is interrupted; closing goes from the leaves to the root,
 * the youngest first. A defect goes to the parent's `onDefect` and no further.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { WaitList } from "./WaitList.ts"

/** Runs the fibers of a tree. */
export type RunFork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

/** What the parent does when a fiber dies. */
export type DefectPolicy = (cause: Cause.Cause<unknown>) => void

/** What lives in a fiber that does nothing else. */
export interface Resident {
  onInterrupted(): void
}

/** Whom a fiber without a branch belongs to. */
export interface LeafOwner {
  onExit(exit: Exit.Exit<unknown, unknown>): void
}

export class Branch {
  private readonly runFork: RunFork
  private readonly parent: Branch | undefined
  /** In order of creation; most branches are leaves. */
  private grown: Set<Branch> | undefined = undefined
  /** Fibers without a branch of their own: stream handlers, of which there can be very many. */
  private leaves: Set<Fiber.Fiber<unknown, unknown>> | undefined = undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private closing = false
  private emptied: WaitList | undefined = undefined

  /** The root of a tree when `parent` is left out. */
  constructor(runFork: RunFork, parent?: Branch) {
    this.runFork = runFork
    this.parent = parent
  }

  /** The fiber's ID in logs and traces; undefined for a group. */
  get fiberId(): number | undefined {
    return this.fiber?.id
  }

  /** Has no fiber, or its fiber has ended. */
  get isDone(): boolean {
    return this.fiber === undefined || this.fiber.pollUnsafe() !== undefined
  }

  /** Nothing can be forked any more. */
  get isClosing(): boolean {
    return this.closing
  }

  get children(): Iterable<Branch> {
    return this.grown ?? []
  }

  /** Fibers at and below this branch. */
  get fiberCount(): number {
    let count = this.isDone ? 0 : 1
    for (const child of this.children) count += child.fiberCount
    return count + (this.leaves?.size ?? 0)
  }

  /** A branch without a fiber, which groups others until it is closed. */
  group(): Branch {
    const branch = new Branch(this.runFork, this)
    branch.closing = this.closing
    if (!this.closing) (this.grown ??= new Set()).add(branch)
    return branch
  }

  /** Forks a fiber below this branch, at once. Does nothing on a closing branch. */
  fork<E>(effect: Effect.Effect<unknown, E>, onDefect: DefectPolicy): Branch {
    const branch = this.group()
    if (branch.closing) return branch
    branch.fiber = this.runFork(effect)
    branch.fiber.addObserver((exit) => {
      branch.wither()
      if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) onDefect(exit.cause)
    })
    return branch
  }

  /**
   * Forks a fiber that only lives, until it is interrupted: with no stack, and nothing to wait for, it takes little. Does
   * nothing on a closing branch.
   */
  house(resident: Resident): Branch {
    const branch = this.group()
    if (branch.closing) return branch
    branch.fiber = this.runFork(Effect.never)
    branch.fiber.addObserver(() => {
      resident.onInterrupted()
      branch.wither()
    })
    return branch
  }

  /** Its fiber has ended. */
  private wither(): void {
    this.detach()
    // those that were not closed already
    if (this.grown !== undefined || this.leaves !== undefined) this.interruptUnsafe()
  }

  /**
   * Forks a fiber without a branch, wherever `start` runs it; `owner` handles its defects too. Does nothing on a closing
   * branch.
   */
  leaf(
    start: () => Fiber.Fiber<unknown, unknown>,
    owner: LeafOwner
  ): Fiber.Fiber<unknown, unknown> | undefined {
    if (this.closing) {
      owner.onExit(Exit.interrupt())
      return undefined
    }
    const fiber = start()
    this.hold(fiber)
    fiber.addObserver((exit) => {
      this.leaves?.delete(fiber)
      owner.onExit(exit)
      this.wakeIfEmpty()
    })
    return fiber
  }

  /** Counts a fiber that was started elsewhere as one of its leaves, unless it is over already. It calls `shed` itself. */
  hold(fiber: Fiber.Fiber<unknown, unknown>): void {
    if (fiber.pollUnsafe() === undefined) (this.leaves ??= new Set()).add(fiber)
  }

  /** Such a fiber is at its end. */
  shed(fiber: Fiber.Fiber<unknown, unknown>): void {
    this.leaves?.delete(fiber)
    this.wakeIfEmpty()
  }

  private wakeIfEmpty(): void {
    if ((this.leaves?.size ?? 0) === 0) this.emptied?.wakeAll()
  }

  /** Closes everything below first, then interrupts the fiber here, and waits for it. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { fiber } = this
      return Effect.andThen(
        this.closeChildren,
        fiber === undefined ? Effect.sync(() => this.detach()) : Effect.asVoid(Fiber.interrupt(fiber))
      )
    })
  }

  /** Closes the branches and leaves below, the youngest first. */
  private get closeChildren(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closing = true
      const leaves = this.leaves === undefined ? Effect.void : Fiber.interruptAll([...this.leaves].reverse())
      if (this.grown === undefined) return leaves
      const branches = Effect.forEach([...this.grown].reverse(), (child) => child.close, { discard: true })
      return Effect.andThen(leaves, branches)
    })
  }

  /** Interrupts everything here without waiting. */
  interruptUnsafe(): void {
    this.closing = true
    for (const leaf of this.leaves ?? []) leaf.interruptUnsafe()
    for (const child of this.children) child.interruptUnsafe()
    this.fiber?.interruptUnsafe()
  }

  /** Waits until nothing is left below. */
  get whenEmpty(): Effect.Effect<void> {
    return Effect.suspend(() =>
      (this.grown?.size ?? 0) + (this.leaves?.size ?? 0) === 0
        ? Effect.void
        : (this.emptied ??= new WaitList()).parkThen(this.whenEmpty)
    )
  }

  private detach(): void {
    const { parent } = this
    if (parent?.grown?.delete(this) !== true || parent.grown.size > 0) return
    parent.grown = undefined
    parent.emptied?.wakeAll()
  }
}
