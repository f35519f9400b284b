/**
 * Interrupts a fiber at its n-th step.
 *
 * A step is a moment at which an interrupt can reach it. While the fiber runs, that is before each of its operations:
 * Effect asks the scheduler there whether to yield, and what yields can be interrupted. While it waits, that is before
 * whatever else the simulation runs: each task of another fiber, each packet, each timer.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

export class Stepper {
  /** How many steps there have been. */
  steps = 0
  private readonly target: number
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** A fiber yields, and is to find the interrupt when it goes on. */
  private isYielding = false

  /** `target` counts from 0; `Infinity` only counts. */
  constructor(target: number) {
    this.target = target
  }

  get isDelivered(): boolean {
    return this.steps > this.target
  }

  /** For `SimOptions.onStep`. */
  readonly onStep = (): void => {
    if (this.advance()) this.fiber!.interruptUnsafe()
  }

  /** Runs an operation in a fiber of its own, interrupts it at the step, and says how it ended. */
  run<A, E, R>(operation: Effect.Effect<A, E, R>, services: Context.Context<R>) {
    return Effect.gen({ self: this }, function* () {
      const queue = yield* Scheduler.Scheduler
      // all at once: what is around the operation has no steps of its own, between which its result could get lost
      const context = Context.add(services, Scheduler.Scheduler, this.scheduler(queue))
      this.fiber = yield* Effect.forkChild(Effect.provideContext(operation, context))
      return yield* Fiber.await(this.fiber as Fiber.Fiber<A, E>)
    })
  }

  /** True at the step. */
  private advance(): boolean {
    if (this.isDelivered || this.fiber === undefined || this.fiber.pollUnsafe() !== undefined) return false
    return this.steps++ === this.target
  }

  /** Works as `queue` does, but for the one yield. */
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
            const interruptFirst = () => {
              this.fiber!.interruptUnsafe()
              task()
            }
            dispatcher.scheduleTask(interruptFirst, priority)
          }
        }
      }
    }
  }
}
