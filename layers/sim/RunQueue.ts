/**
 * An Effect scheduler driven by the simulation: instead of using the event loop, fibers are queued here until the
 * simulation runs them, so that it knows when none is ready.
 */
import type { Fiber } from "effect/Fiber"
import type { Scheduler, SchedulerDispatcher } from "effect/Scheduler"
import type { SeededRandom } from "./SeededRandom.ts"

interface Bucket {
  readonly priority: number
  readonly tasks: Array<() => void>
}

/**
 * Order of fibers that are ready at the same time: first in, first out, or permuted by the seed.
 *
 * @category models
 * @since 0.1.0
 */
export type Interleaving = "fifo" | "seeded"

export class RunQueue implements Scheduler, SchedulerDispatcher {
  readonly executionMode = "async"
  /** How many tasks have run. */
  tasksRun = 0
  /** Called before each task. */
  onStep: (() => void) | undefined = undefined
  /** The first fiber that ran here. */
  first: Fiber<unknown, unknown> | undefined = undefined
  private ready: Array<Bucket> = []
  private readonly random: SeededRandom | undefined

  constructor(interleaving: Interleaving, random: SeededRandom) {
    this.random = interleaving === "seeded" ? random : undefined
  }

  get isEmpty(): boolean {
    return this.ready.length === 0
  }

  /** How many tasks are ready. */
  get size(): number {
    return this.ready.reduce((sum, { tasks }) => sum + tasks.length, 0)
  }

  shouldYield(fiber: Fiber<unknown, unknown>): boolean {
    this.first ??= fiber
    return fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }

  makeDispatcher(): SchedulerDispatcher {
    return this
  }

  scheduleTask(task: () => void, priority: number): void {
    let index = 0
    while (index < this.ready.length && this.ready[index].priority < priority) index++
    if (this.ready[index]?.priority === priority) this.ready[index].tasks.push(task)
    else this.ready.splice(index, 0, { priority, tasks: [task] })
  }

  flush(): void {
    while (!this.isEmpty) this.runRound()
  }

  /** Runs the tasks ready now, lower priorities first, but not tasks they make ready. */
  runRound(): void {
    const round = this.ready
    this.ready = []
    for (const { tasks } of round) {
      if (this.random !== undefined) permute(tasks, this.random)
      for (const task of tasks) {
        this.tasksRun++
        this.onStep?.()
        task()
      }
    }
  }
}

const permute = (tasks: Array<() => void>, random: SeededRandom): void => {
  for (let i = tasks.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const task = tasks[i]
    tasks[i] = tasks[j]
    tasks[j] = task
  }
}
