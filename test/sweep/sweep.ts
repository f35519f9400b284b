/**
 * Proves by exhaustion that an operation is all or nothing: interrupts it at step 0, step 1, … until it completes first,
 * and repeats that, for operations that acquire something, with another fiber closing the scope they acquire into. After
 * each run neither side may hold anything that it would not hold had the operation never started; the peer must have seen
 * nothing the protocol does not allow; and the connection must still work.
 */
import assert from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import type { CertificateVerifier } from "../../src/capability/CertificateVerifier.ts"
import type { CryptoSuite } from "../../src/capability/CryptoSuite.ts"
import type { Entropy } from "../../src/capability/Entropy.ts"
import type { UdpPort } from "../../src/capability/UdpPort.ts"
import type { QuicEndpointShape } from "../../src/index.ts"
import { simWorld, type World } from "../api/World.ts"
import { disagreements, type Inventory, inventory } from "./inventory.ts"
import { Stepper } from "./Stepper.ts"

/** The setting in which an operation runs. */
export interface Stage {
  /** The client's and the server's. */
  readonly endpoints: ReadonlyArray<QuicEndpointShape>
  /** Fails unless everything still works. */
  readonly works: Effect.Effect<void, unknown, Scope.Scope>
}

/** What operations may require. */
export type Services = Scope.Scope | UdpPort | CryptoSuite | Entropy | CertificateVerifier

/** How an operation ended: it was not started, it was interrupted, or it succeeded. */
export type Outcome = "never" | "interrupted" | "done"

/** What happens at a step: the operation is interrupted, or another fiber closes the scope it acquires into. */
export type Disruption = "interrupt" | "close"

export interface Sweep<S extends Stage> {
  readonly name: string
  readonly stage: (world: World) => Effect.Effect<S, unknown, Scope.Scope>
  readonly operation: (stage: S) => Effect.Effect<unknown, unknown, Services>
  /** What the operation requires besides a scope. */
  readonly services?: (stage: S) => Layer.Layer<Exclude<Services, Scope.Scope>>
  /** What runs concurrently, even when the operation is never started. */
  readonly meanwhile?: (stage: S) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** Asserts what the outcome means for both sides, and releases what the operation left for its caller. */
  readonly afterwards?: (stage: S, outcome: Outcome) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** Success leaves both sides holding something; otherwise they must look as if it had never started. */
  readonly lasts?: boolean
  /** Interrupted earlier than this, it must have done nothing. */
  readonly takesMillis?: number
  /** Distance between swept steps, 1 by default; larger for operations with very many steps. */
  readonly stride?: number
}

/** What is left after a run. */
interface Remains {
  readonly endpoints: ReadonlyArray<Inventory>
  readonly disagreements: ReadonlyArray<string>
  /** Pending simulator events: packets and sleeping fibers. */
  readonly events: number
}

interface Run {
  readonly outcome: Outcome
  /** Finalizers that a successful operation left in its scope. */
  readonly acquired: number
  readonly lastedMillis: number
  /** Whether the operation was still running at the step. */
  readonly wasReached: boolean
  readonly remains: Remains
  /** After everything has closed. */
  readonly end: Remains & { readonly sockets: number }
}

export interface Row {
  readonly name: string
  readonly steps: number
  readonly interrupted: number
  readonly done: number
  /** Steps at which the scope was closed. */
  readonly closed: number
}

/** An endpoint that has released everything. */
const closed: Inventory = {
  state: "closed",
  sockets: 0,
  fibers: 0,
  timers: 0,
  routedIds: 0,
  resetTokens: 0,
  backlog: 0,
  strangers: 0,
  peers: [],
  connections: []
}

/** By then acknowledgments, probes, closing, draining and lingering sockets are all over. */
const QUIET_MILLIS = 6_000

const remainsOf = Effect.fnUntraced(function* (endpoints: ReadonlyArray<QuicEndpointShape>) {
  const nodes = yield* Effect.forEach(endpoints, (endpoint) => endpoint.tree)
  const network = yield* SimNetwork
  return {
    endpoints: nodes.map(inventory),
    disagreements: nodes.length < 2 ? [] : disagreements(nodes[0], nodes[1]),
    events: network.pendingEvents
  } satisfies Remains
})

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): Outcome => {
  if (Exit.isSuccess(exit)) return "done"
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  throw Cause.squash(exit.cause)
}

const finalizers = ({ state }: Scope.Scope): number =>
  state._tag === "Open" ? (state.finalizers?.size ?? (state.finalizer === undefined ? 0 : 1)) : 0

/** What to do to an operation, and at which step. */
interface Plan {
  readonly target: number
  readonly disruption: Disruption
}

/**
 * Runs the operation in a scope that outlives the interrupt: whatever it made must be gone all the same, since nobody
 * holds it.
 */
const runOperation = Effect.fnUntraced(function* <S extends Stage>(
  sweep: Sweep<S>,
  stage: S,
  { target, disruption }: Plan,
  watch: (onStep: () => void) => void
) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const services = yield* Layer.build(sweep.services?.(stage) ?? Layer.empty)
  const context = Context.add(services as Context.Context<Services>, Scope.Scope, scope)
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const clock = yield* Clock.Clock
  let closing: Fiber.Fiber<void> | undefined
  let closedMillis = Number.POSITIVE_INFINITY
  const close = () => {
    closedMillis = clock.currentTimeMillisUnsafe()
    closing = runFork(Scope.close(scope, Exit.void))
  }
  const stepper = new Stepper(target, disruption === "close" ? close : undefined)
  watch(stepper.onStep)
  const outcome = outcomeOf(yield* stepper.run(sweep.operation(stage), context))
  // leave the call stack of the step's action, in case that ended the operation
  yield* Effect.yieldNow
  const acquired = finalizers(scope)
  if (closing !== undefined) {
    assert.equal(outcome, "interrupted", "it acquired into a closed scope")
    assert.equal(yield* Clock.currentTimeMillis, closedMillis, "it outlived its scope")
    yield* Fiber.join(closing)
  } else if (outcome === "done") yield* Scope.close(scope, Exit.void)
  else assert.equal(acquired, 0, "its scope has something to release")
  return { outcome, acquired, wasReached: stepper.isDelivered }
})

const notStarted = { outcome: "never", acquired: 0, wasReached: false } as const

const scenario = Effect.fnUntraced(function* <S extends Stage>(
  sweep: Sweep<S>,
  plan: Plan | undefined,
  watch: (onStep: () => void) => void
) {
  const world = yield* simWorld
  let shown: ReadonlyArray<QuicEndpointShape> = []
  const body = Effect.gen(function* () {
    const stage = yield* sweep.stage(world)
    shown = stage.endpoints
    yield* Effect.sleep(1_000)
    const others = yield* Effect.forkChild(Effect.scoped(sweep.meanwhile?.(stage) ?? Effect.void))

    const beforeMillis = yield* Clock.currentTimeMillis
    const execution = plan === undefined ? notStarted : yield* runOperation(sweep, stage, plan, watch)
    const { outcome } = execution
    const lastedMillis = (yield* Clock.currentTimeMillis) - beforeMillis
    const meanwhile = yield* Effect.timeoutOption(Fiber.await(others), QUIET_MILLIS)
    // they may fail, as a refusal can be in order, but must not die: that is a failed assertion
    if (meanwhile._tag === "Some" && Exit.isFailure(meanwhile.value) && Cause.hasDies(meanwhile.value.cause))
      return yield* Effect.failCause(meanwhile.value.cause)
    if (sweep.afterwards !== undefined) yield* Effect.scoped(sweep.afterwards(stage, outcome))
    yield* Effect.sleep(QUIET_MILLIS)
    const remains = yield* remainsOf(shown)
    yield* Effect.scoped(stage.works)
    return { ...execution, lastedMillis, remains }
  })
  const result = yield* Effect.scoped(body)
  yield* Effect.sleep(QUIET_MILLIS)
  const sockets = world.clientHost!.socketCount
  const end = { ...(yield* remainsOf(shown)), sockets }
  return { ...result, end } satisfies Run
})

const run = <S extends Stage>(
  sweep: Sweep<S>,
  seed: string,
  isSeeded: boolean,
  plan: Plan | undefined
): Promise<Run> => {
  let onStep = () => {}
  const watch = (watcher: () => void) => {
    onStep = watcher
  }
  return SimRuntime.runPromise(seed, scenario(sweep, plan, watch), {
    interleaving: isSeeded ? "seeded" : "fifo",
    maxVirtualMillis: 120_000,
    ...(plan !== undefined && { onStep: () => onStep() })
  })
}

/** Which seeds to sweep with, and whether they permute fibers that are ready at the same time. */
export interface Extent {
  readonly seeds: number
}

const disruptions: ReadonlyArray<Disruption> = ["interrupt", "close"]

const describeRun = (name: string, seed: string, plan: Plan | undefined): string => {
  const what = `${name}, seed ${JSON.stringify(seed)}`
  if (plan === undefined) return `${what}, never started`
  return `${what}, ${plan.disruption === "close" ? "its scope closed" : "interrupted"} at step ${plan.target}`
}

/** Sweeps one operation; fails with the first step after which something is wrong. */
export const sweepOver = async <S extends Stage>(sweep: Sweep<S>, { seeds }: Extent): Promise<Row> => {
  const { name, stride = 1 } = sweep
  const row = { steps: 0, interrupted: 0, done: 0, closed: 0 }
  for (let i = 0; i < seeds; i++) {
    const seed = `${name} #${i}`
    const go = (plan: Plan | undefined) =>
      run(sweep, seed, i > 0, plan).catch((error: unknown) => {
        throw new Error(`${describeRun(name, seed, plan)}: ${String(error)}`, { cause: error })
      })
    const nothing = await go(undefined)
    assert.deepStrictEqual(
      nothing.end,
      { endpoints: nothing.end.endpoints.map(() => closed), disagreements: [], events: 0, sockets: 0 },
      `${name}: closing leaves something behind`
    )
    const all = await go({ target: Number.POSITIVE_INFINITY, disruption: "interrupt" })
    if (sweep.lasts !== true)
      assert.deepStrictEqual(all.remains, nothing.remains, `${name}: success leaves something behind`)
    for (const disruption of all.acquired > 0 ? disruptions : disruptions.slice(0, 1)) {
      for (let target = 0; ; target += stride) {
        const plan = { target, disruption }
        const { outcome, wasReached, lastedMillis, remains, end } = await go(plan)
        if (!wasReached) break
        const where = `${describeRun(name, seed, plan)} (${outcome})`
        const isAll =
          outcome === "done" ||
          (lastedMillis >= (sweep.takesMillis ?? 0) && isDeepStrictEqual(remains, all.remains))
        assert.deepStrictEqual(remains, isAll ? all.remains : nothing.remains, where)
        assert.deepStrictEqual(end, nothing.end, `${where}, after everything was closed`)
        row.steps++
        if (disruption === "close") row.closed++
        else row[outcome === "done" ? "done" : "interrupted"]++
      }
    }
  }
  return { name, ...row }
}
