/**
 * One simulation: fibers run until none is ready; then, once no promise and no request of the real world is under way
 * either, time jumps to the next event. Nothing depends on how fast the machine is.
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

export interface SimOptions {
  /** Default `fifo`. */
  readonly interleaving?: Interleaving
  /** Unix time at which the simulation begins. Default 2027-01-01. */
  readonly startMillis?: number
  /** A run that lasts longer, in virtual time, has failed. Default one day. */
  readonly maxVirtualMillis?: number
  /** More tasks than this without time passing are an endless loop. Default 1,000,000. */
  readonly maxTasksPerInstant?: number
  /** How long, in real time, to wait for the real world before giving up. Default 10 s. */
  readonly maxRealWaitMillis?: number
  /** Called before each fiber task and each event of the timeline, where a test can interfere. */
  readonly onStep?: () => void
  /** Asked whenever every fiber is idle, before time goes on, for what is wrong with the world; it ends the run. */
  readonly invariant?: (nowMillis: number) => string | undefined
}

/** The services a simulated program finds besides virtual time. */
export type SimServices = SimNetwork | Entropy

/** The simulation cannot go on. The program dies of this, after its finalizers have run. */
export class SimStalled extends Data.TaggedError("SimStalled")<{
  readonly reason: "deadlock" | "livelock" | "timeLimit" | "realWork" | "invariant"
  readonly message: string
}> {}

/** What is not said otherwise. */
export const defaults = {
  interleaving: "fifo",
  startMillis: Date.UTC(2027, 0, 1),
  maxVirtualMillis: 86_400_000,
  maxTasksPerInstant: 1_000_000,
  maxRealWaitMillis: 10_000,
  onStep: (): void => {},
  invariant: (_nowMillis: number): string | undefined => undefined
} as const satisfies Required<SimOptions>

/** Turns of the event loop to grant before a deadlock is declared; anything real that is under way shows by then. */
const lastTurns = 16
/** Virtual time that finalizers get after a stall. */
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

  /** Runs until `isDone` or until it is known that it never will be, and why. */
  async drive(isDone: () => boolean, untilNanos: number): Promise<SimStalled | undefined> {
    for (;;) {
      if (!this.runReady(isDone)) return this.stalled("livelock")
      if (isDone()) return undefined
      await RealWork.turn()
      if (!this.queue.isEmpty || isDone()) continue
      if (RealWork.isPending()) {
        if (!(await this.waitForRealWork())) return this.stalled("realWork")
      } else if (this.timeline.pending === 0) {
        if (!(await this.lastChance(isDone))) return this.stalled("deadlock")
      } else if (this.timeline.nextNanos > untilNanos) {
        return this.stalled("timeLimit")
      } else {
        // asked once: what is wrong stays wrong while the program cleans up
        this.problem ??= this.options.invariant(this.timeline.nowNanos / 1e6)
        if (this.problem !== undefined && !this.isCleaningUp) return this.stalled("invariant")
        this.timeline.advance()
      }
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
        "No fiber is ready and nothing is due, but the program has not ended: something waits for what cannot happen " +
        "any more, such as a message that was lost, a latch nobody opens, or a real timer or socket (only virtual time passes here).",
      livelock: `Fibers ran ${this.options.maxTasksPerInstant} tasks without time passing: something loops without sleeping.`,
      timeLimit:
        "The program is still busy when its virtual time is up: something repeats for ever, or maxVirtualMillis is too small.",
      invariant: `An invariant does not hold: ${this.problem}`,
      realWork: `The real world has not answered within ${this.options.maxRealWaitMillis} ms: ${RealWork.describe()}.`
    }[reason]
    const traffic = this.network.trace.lines()
    const recent = traffic.length === 0 ? "No packets were sent." : `Last packets:\n${traffic.join("\n")}`
    return new SimStalled({
      reason,
      message: `The simulation is stuck (${reason}) at ${at}. ${why}\n${this.queue.tasksRun} tasks and ${this.timeline.eventsRun} events have run. ${recent}`
    })
  }
}
