/**
 * Strikes a fiber at its n-th step: interrupts it, or does something else beside it.
 *
 * A step is a moment at which an interrupt can reach it. While the fiber runs, that is before each of its operations:
 * Effect asks the scheduler there whether to yield, and what yields can be interrupted. While it waits, that is before
 * whatever else the simulation runs: each task of another fiber, each packet, each timer.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

/** What happens at the step, instead of an interrupt. */
export type Blow = () => void

export class Stepper {
  /** How many steps there have been. */
  steps = 0
  private readonly target: number
  private readonly blow: Blow | undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** A fiber yields, and is to find the blow struck when it goes on. */
  private isYielding = false

  /** `target` counts from 0; `Infinity` only counts. An interrupt when no other blow is given. */
  constructor(target: number, blow?: Blow) {
    this.target = target
    this.blow = blow
  }

  get isDelivered(): boolean {
    return this.steps > this.target
  }

  /** For `SimOptions.onStep`. */
  readonly onStep = (): void => {
    if (this.advance()) this.strike()
  }

  private strike(): void {
    // another fiber of the operation may have yielded, and let it come to its end
    if (this.fiber!.pollUnsafe() !== undefined) return
    if (this.blow === undefined) this.fiber!.interruptUnsafe()
    else this.blow()
  }

  /** Runs an operation in a fiber of its own, strikes it at the step, and says how it ended. */
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
            const strikeFirst = () => {
              this.strike()
              task()
            }
            dispatcher.scheduleTask(strikeFirst, priority)
          }
        }
      }
    }
  }
}
