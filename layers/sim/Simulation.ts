/**
 * One simulation: fibers run until none is ready. Then, once no promise and no real-world request is pending, time jumps to
 * the next event. Nothing depends on the speed of the machine.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import { Entropy } from "../../src/capability/Entropy.ts"
import * as RealWork from "./RealWork.ts"
import { type Interleaving, RunQueue } from "./RunQueue.ts"
import { SeededRandom } from "./SeededRandom.ts"
import { Network, SimNetwork } from "./SimNetwork.ts"
import { Timeline } from "./Timeline.ts"
import { VirtualClock } from "./VirtualClock.ts"

/**
 * How a simulation runs, and when it gives up.
 *
 * @category options
 * @since 0.1.0
 */
export interface SimOptions {
  /** Order in which ready fibers run. Default `fifo`. */
  readonly interleaving?: Interleaving
  /** Unix time at the start of the simulation. Default 2027-01-01. */
  readonly startMillis?: number
  /** Runs that take longer in virtual time fail. Default one day. */
  readonly maxVirtualMillis?: number
  /** More tasks than this at one instant count as an endless loop. Default 1,000,000. */
  readonly maxTasksPerInstant?: number
  /** Maximum real time to wait for real-world requests. Default 10 s. */
  readonly maxRealWaitMillis?: number
  /** Called before each fiber task and each timeline event, for tests to interfere. Default none. */
  readonly onStep?: () => void
  /** Called whenever all fibers are idle, before time advances. Returning a problem ends the run. Default none. */
  readonly invariant?: (nowMillis: number) => string | undefined
}

/**
 * The services of a simulated program besides virtual time.
 *
 * @category models
 * @since 0.1.0
 */
export type SimServices = SimNetwork | Entropy

/**
 * The simulation cannot continue. The program dies with this defect after its finalizers have run.
 *
 * **Details**
 *
 * `deadlock`: every fiber waits and nothing is pending. `livelock`: more than `maxTasksPerInstant` tasks at one
 * instant. `timeLimit`: more than `maxVirtualMillis`. `realWork`: a real-world request took longer than
 * `maxRealWaitMillis`. `invariant`: `invariant` returned a problem.
 *
 * @category errors
 * @since 0.1.0
 */
export class SimStalled extends Data.TaggedError("SimStalled")<{
  /** What stopped it; see above. */
  readonly reason: "deadlock" | "livelock" | "timeLimit" | "realWork" | "invariant"
  /** What was going on, for people. */
  readonly message: string
}> {}

/** Default options. */
export const defaults = {
  interleaving: "fifo",
  startMillis: Date.UTC(2027, 0, 1),
  maxVirtualMillis: 86_400_000,
  maxTasksPerInstant: 1_000_000,
  maxRealWaitMillis: 10_000,
  onStep: (): void => {},
  invariant: (_nowMillis: number): string | undefined => undefined
} as const satisfies Required<SimOptions>

/** Event-loop turns before declaring a deadlock; any pending real work is visible by then. */
const lastTurns = 16
/** How many instants pass before the event loop has a turn, though nothing may be waiting for it. */
const maxInstants = 1000
/** Virtual time for finalizers after a stall. */
const cleanupNanos = 60e9

export class Simulation {
  readonly timeline = new Timeline()
  readonly network: Network
  readonly queue: RunQueue
  readonly context: Context.Context<SimServices>
  readonly seed: string | number
  readonly options: Required<SimOptions>
  private problem: string | undefined = undefined
  private isCleaningUp = false

  constructor(seed: string | number, options: Required<SimOptions>) {
    this.seed = seed
    this.options = options
    const random = new SeededRandom(seed)
    this.network = new Network(this.timeline, random)
    this.queue = new RunQueue(options.interleaving, random.fork("interleaving"))
    this.queue.onStep = options.onStep
    this.timeline.onStep = options.onStep
    this.context = Context.make(SimNetwork, this.network).pipe(
      Context.add(Entropy, { randomBytes: random.fork("entropy").bytes }),
      Context.add(Random.Random, random.fork("effect")),
      Context.add(Clock.Clock, new VirtualClock(this.timeline, options.startMillis)),
      Context.add(Scheduler.Scheduler, this.queue)
    )
  }

  /** After a stall: lets finalizers run. */
  async cleanUp(isDone: () => boolean): Promise<void> {
    this.isCleaningUp = true
    await this.drive(isDone, this.timeline.nowNanos + cleanupNanos)
  }

  /** Runs until `isDone`; returns why if it never will be. */
  async drive(isDone: () => boolean, untilNanos: number): Promise<SimStalled | undefined> {
    for (;;) {
      if (!this.runReady(isDone)) return this.stalled("livelock")
      if (isDone()) return undefined
      await RealWork.settle()
      if (!this.queue.isEmpty || isDone()) continue
      if (RealWork.isPending()) {
        if (!(await this.waitForRealWork())) return this.stalled("realWork")
      } else if (this.timeline.pending === 0) {
        if (!(await this.lastChance(isDone))) return this.stalled("deadlock")
      } else if (this.timeline.nextNanos > untilNanos) {
        return this.stalled("timeLimit")
      } else {
        // kept, as a violation persists while the program cleans up
        this.problem ??= this.options.invariant(this.timeline.nowNanos / 1e6)
        if (this.problem !== undefined && !this.isCleaningUp) return this.stalled("invariant")
        this.advance(untilNanos)
      }
    }
  }

  /** To the next event that reaches the program. Those before only move packets, and start no work to wait for. */
  private advance(untilNanos: number): void {
    const { timeline, options } = this
    const isWatched = options.onStep !== defaults.onStep || options.invariant !== defaults.invariant
    timeline.hasReachedProgram = isWatched
    for (let instants = 0; instants < maxInstants; instants++) {
      timeline.advance()
      if (timeline.hasReachedProgram || timeline.nextNanos > untilNanos) return
    }
  }

  private runReady(isDone: () => boolean): boolean {
    const limit = this.queue.tasksRun + this.options.maxTasksPerInstant
    while (!this.queue.isEmpty && !isDone()) {
      if (this.queue.tasksRun > limit) return false
      this.queue.runRound()
    }
    return true
  }

  private async waitForRealWork(): Promise<boolean> {
    const giveUpAt = performance.now() + this.options.maxRealWaitMillis
    while (RealWork.isPending()) {
      if (performance.now() > giveUpAt) return false
      await RealWork.turn()
    }
    return true
  }

  private async lastChance(isDone: () => boolean): Promise<boolean> {
    for (let i = 0; i < lastTurns; i++) {
      await RealWork.turn()
      if (!this.queue.isEmpty || isDone() || RealWork.isPending() || this.timeline.pending > 0) return true
    }
    return false
  }

  private stalled(reason: SimStalled["reason"]): SimStalled {
    const at = `virtual time ${(this.timeline.nowNanos / 1e9).toFixed(6)} s, seed ${JSON.stringify(this.seed)}`
    const why = {
      deadlock:
        "No fiber is ready and no event is pending, but the program has not ended: something waits for what can no longer " +
        "happen, such as a lost message, a latch that is never opened, or a real timer or socket (only virtual time passes here).",
      livelock: `Fibers ran ${this.options.maxTasksPerInstant} tasks without time advancing: something loops without sleeping.`,
      timeLimit:
        "The program was still running when its virtual time was up: something repeats forever, or maxVirtualMillis is too small.",
      invariant: `Invariant violated: ${this.problem}`,
      realWork: `Real-world work did not complete within ${this.options.maxRealWaitMillis} ms: ${RealWork.describe()}.`
    }[reason]
    const traffic = this.network.trace.lines()
    const recent = traffic.length === 0 ? "No packets were sent." : `Last packets:\n${traffic.join("\n")}`
    return new SimStalled({
      reason,
      message: `The simulation is stuck (${reason}) at ${at}. ${why}\n${this.queue.tasksRun} tasks and ${this.timeline.eventsRun} events have run. ${recent}`
    })
  }
}
