/**
 * Proof by sweep that an operation is all or nothing: run it, and interrupt it at step 0, at step 1, … until it is over
 * before that. After each run nothing may be left, on either side, that a run in which it was never started would not
 * have left; the peer must have seen nothing that the protocol does not allow; and the connection must still work.
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

/** What an operation finds. */
export interface Stage {
  /** The client's, and the server's. */
  readonly endpoints: ReadonlyArray<QuicEndpointShape>
  /** Fails unless everything still works. */
  readonly works: Effect.Effect<void, unknown, Scope.Scope>
}

/** What operations may ask for. */
export type Services = Scope.Scope | UdpPort | CryptoSuite | Entropy | CertificateVerifier

/** How an operation ended: it was not started, it was interrupted, or it succeeded. */
export type Outcome = "never" | "interrupted" | "done"

export interface Sweep<S extends Stage> {
  readonly name: string
  readonly stage: (world: World) => Effect.Effect<S, unknown, Scope.Scope>
  readonly operation: (stage: S) => Effect.Effect<unknown, unknown, Services>
  /** What the operation gets besides a scope. */
  readonly services?: (stage: S) => Layer.Layer<Exclude<Services, Scope.Scope>>
  /** What others do at the same time, also when the operation is never started. */
  readonly meanwhile?: (stage: S) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** Asserts what this outcome means for both sides, and lets go of what may be there. */
  readonly afterwards?: (stage: S, outcome: Outcome) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** Its success shows in what both sides hold from then on; otherwise all is as if it had never been started. */
  readonly lasts?: boolean
  /** Interrupted before it has been under way for so long, it has done nothing. */
  readonly takesMillis?: number
  /** How far steps lie apart, 1 when left out: for operations of very many. */
  readonly stride?: number
}

/** What is left of a run. */
interface Remains {
  readonly endpoints: ReadonlyArray<Inventory>
  readonly disagreements: ReadonlyArray<string>
  /** Packets and sleepers. */
  readonly events: number
}

interface Run {
  readonly outcome: Outcome
  /** How long the operation took. */
  readonly lastedMillis: number
  /** The operation was not over before the step. */
  readonly wasInterrupted: boolean
  readonly remains: Remains
  /** After everything was closed. */
  readonly end: Remains & { readonly sockets: number }
}

export interface Row {
  readonly name: string
  readonly steps: number
  readonly interrupted: number
  readonly done: number
}

/** An endpoint that holds nothing any more. */
const closed: Inventory = {
  state: "closed",
  sockets: 0,
  fibers: 0,
  timers: 0,
  routedIds: 0,
  resetTokens: 0,
  backlog: 0,
  peers: [],
  connections: []
}

/** Acknowledgements, probes, closing and draining, and sockets that linger: all are over by then. */
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

/**
 * Runs the operation in a scope that goes on when it is interrupted: what it made has to be gone all the same, because
 * nobody holds it.
 */
const operate = Effect.fnUntraced(function* <S extends Stage>(sweep: Sweep<S>, stage: S, stepper: Stepper) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const services = yield* Layer.build(sweep.services?.(stage) ?? Layer.empty)
  const context = Context.add(services as Context.Context<Services>, Scope.Scope, scope)
  const outcome = outcomeOf(yield* stepper.run(sweep.operation(stage), context))
  if (outcome === "done") yield* Scope.close(scope, Exit.void)
  else assert.equal(finalizers(scope), 0, "its scope has something to release")
  return outcome
})

const scenario = Effect.fnUntraced(function* <S extends Stage>(
  sweep: Sweep<S>,
  stepper: Stepper | undefined
) {
  const world = yield* simWorld
  let shown: ReadonlyArray<QuicEndpointShape> = []
  const body = Effect.gen(function* () {
    const stage = yield* sweep.stage(world)
    shown = stage.endpoints
    yield* Effect.sleep(1_000)
    const others = yield* Effect.forkChild(Effect.scoped(sweep.meanwhile?.(stage) ?? Effect.void))

    const beforeMillis = yield* Clock.currentTimeMillis
    const outcome = stepper === undefined ? "never" : yield* operate(sweep, stage, stepper)
    const lastedMillis = (yield* Clock.currentTimeMillis) - beforeMillis
    const meanwhile = yield* Effect.timeoutOption(Fiber.await(others), QUIET_MILLIS)
    // that they were refused may be in order; that they saw what must not be is not
    if (meanwhile._tag === "Some" && Exit.isFailure(meanwhile.value) && Cause.hasDies(meanwhile.value.cause))
      return yield* Effect.failCause(meanwhile.value.cause)
    if (sweep.afterwards !== undefined) yield* Effect.scoped(sweep.afterwards(stage, outcome))
    yield* Effect.sleep(QUIET_MILLIS)
    const remains = yield* remainsOf(shown)
    yield* Effect.scoped(stage.works)
    return { outcome, lastedMillis, remains }
  })
  const result = yield* Effect.scoped(body)
  yield* Effect.sleep(QUIET_MILLIS)
  const sockets = world.clientHost!.socketCount
  const end = { ...(yield* remainsOf(shown)), sockets }
  return { ...result, wasInterrupted: stepper?.isDelivered ?? false, end } satisfies Run
})

const run = <S extends Stage>(
  sweep: Sweep<S>,
  seed: string,
  isSeeded: boolean,
  target: number | undefined
) => {
  const stepper = target === undefined ? undefined : new Stepper(target)
  return SimRuntime.runPromise(seed, scenario(sweep, stepper), {
    interleaving: isSeeded ? "seeded" : "fifo",
    maxVirtualMillis: 120_000,
    ...(stepper !== undefined && { onStep: stepper.onStep })
  })
}

/** Which seeds to sweep with, and whether they permute fibers that are ready at the same time. */
export interface Extent {
  readonly seeds: number
}

/** Sweeps one operation; fails with the first step after which something is wrong. */
export const sweepOver = async <S extends Stage>(sweep: Sweep<S>, { seeds }: Extent): Promise<Row> => {
  const { name, stride = 1 } = sweep
  const row = { steps: 0, interrupted: 0, done: 0 }
  for (let i = 0; i < seeds; i++) {
    const seed = `${name} #${i}`
    const go = (target: number | undefined) =>
      run(sweep, seed, i > 0, target).catch((error: unknown) => {
        const where = target === undefined ? "never started" : `interrupted at step ${target}`
        throw new Error(`${name}, seed ${JSON.stringify(seed)}, ${where}: ${String(error)}`, { cause: error })
      })
    const nothing = await go(undefined)
    assert.deepStrictEqual(
      nothing.end,
      { endpoints: nothing.end.endpoints.map(() => closed), disagreements: [], events: 0, sockets: 0 },
      `${name}: closing leaves something`
    )
    const all = await go(Number.POSITIVE_INFINITY)
    if (sweep.lasts !== true)
      assert.deepStrictEqual(all.remains, nothing.remains, `${name}: success leaves something`)
    for (let target = 0; ; target += stride) {
      const { outcome, wasInterrupted, lastedMillis, remains, end } = await go(target)
      if (!wasInterrupted) break
      const where = `${name}, seed ${JSON.stringify(seed)}, interrupted at step ${target} (${outcome})`
      const isAll =
        outcome === "done" ||
        (lastedMillis >= (sweep.takesMillis ?? 0) && isDeepStrictEqual(remains, all.remains))
      assert.deepStrictEqual(remains, isAll ? all.remains : nothing.remains, where)
      assert.deepStrictEqual(end, nothing.end, `${where}, when everything was closed`)
      row.steps++
      row[outcome === "done" ? "done" : "interrupted"]++
    }
  }
  return { name, ...row }
}
