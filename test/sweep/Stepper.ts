/**
 * Interrupts a fiber at its n-th step, or runs another action there.
 *
 * A step is a moment at which an interrupt can take effect. While the fiber runs, that is before each of its operations,
 * where Effect asks the scheduler whether to yield: a fiber that yields can be interrupted. While it waits, that is
 * before anything else the simulation runs: another fiber's task, a packet, a timer.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

/** Runs at the step instead of an interrupt. */
export type StepAction = () => void

export class Stepper {
  /** Steps so far. */
  steps = 0
  private readonly target: number
  private readonly action: StepAction | undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** The fiber is yielding; the action must run before it resumes. */
  private isYielding = false

  /** `target` counts from 0; `Infinity` only counts. Without `action` the fiber is interrupted. */
  constructor(target: number, action?: StepAction) {
    this.target = target
    this.action = action
  }

  get isDelivered(): boolean {
    return this.steps > this.target
  }

  /** For `SimOptions.onStep`. */
  readonly onStep = (): void => {
    if (this.advance()) this.act()
  }

  private act(): void {
    // the action runs late when another fiber yielded, and the operation may have ended by then
    if (this.fiber!.pollUnsafe() !== undefined) return
    if (this.action === undefined) this.fiber!.interruptUnsafe()
    else this.action()
  }

  /** Runs an operation in its own fiber, acts at the step, and returns its exit. */
  run<A, E, R>(operation: Effect.Effect<A, E, R>, services: Context.Context<R>) {
    return Effect.gen({ self: this }, function* () {
      const queue = yield* Scheduler.Scheduler
      // provided in one go: wrappers around the operation would add steps at which its result could be lost
      const context = Context.add(services, Scheduler.Scheduler, this.scheduler(queue))
      this.fiber = yield* Effect.forkChild(Effect.provideContext(operation, context))
      return yield* Fiber.await(this.fiber as Fiber.Fiber<A, E>)
    })
  }

  /** Counts a step; true at the target. */
  private advance(): boolean {
    if (this.isDelivered || this.fiber === undefined || this.fiber.pollUnsafe() !== undefined) return false
    return this.steps++ === this.target
  }

  /** Like `queue`, except for the one forced yield. */
  private scheduler(queue: Scheduler.Scheduler): Scheduler.Scheduler {
    return {
      executionMode: queue.executionMode,
      shouldYield: (fiber) => {
        this.isYielding = this.advance()
        return this.isYielding || queue.shouldYield(fiber)
      },
      makeDispatcher: () => {
        const dispatcher = queue.makeDispatcher()
        return {
          flush: () => dispatcher.flush(),
          scheduleTask: (task, priority) => {
            if (!this.isYielding) return dispatcher.scheduleTask(task, priority)
            this.isYielding = false
            const actFirst = () => {
              this.act()
              task()
            }
            dispatcher.scheduleTask(actFirst, priority)
          }
        }
      }
    }
  }
}
