/** The shards of one endpoint: who is alive, who is replaced, and what they have counted. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import type { EndpointStatistics } from "../../../src/capability/EndpointStatistics.ts"
import type { EndpointNode } from "../../../src/capability/treeNodes.ts"
import type { DrainResult } from "../../../src/EndpointDrain.ts"
import { type QuicError, quicError, ShardFailed } from "../../../src/QuicError.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { Answers, Question, ShardStart, Strays } from "./messages.ts"
import { type Exchange, type ShardWorker, startWorker } from "./ShardWorker.ts"
import { makeSharedMemory } from "./SharedReplayGuard.ts"
import { sumStatistics, withoutGauges } from "./sumStatistics.ts"

/** A thread that dies is started again at once; one that dies soon again after this long, and then twice as long. */
const FIRST_PAUSE_MILLIS = 100
const LONGEST_PAUSE_MILLIS = 10_000
/** A thread that has lived for this long did not die of its start. */
const SETTLED_MILLIS = 10_000
/** What shards have counted is read this often, so that little is lost with one that dies. */
const SNAPSHOT_MILLIS = 1000
/** A shard that does not answer for this long counts with what was known of it last. */
const ANSWER_MILLIS = 1000

/** One shard over its lives. */
interface Place {
  readonly index: number
  worker: ShardWorker | undefined
  /** What its endpoint had counted when last asked. */
  last: EndpointStatistics | undefined
  /** What the endpoints before it had. */
  past: EndpointStatistics | undefined
}

export class Shards implements Exchange {
  readonly count: number
  restarts = 0
  /** Every program has ended by itself. */
  readonly ended = Deferred.makeUnsafe<void>()
  private isDraining = false
  /** Shards that are alive, in the order of their sockets. */
  private readonly order: Array<number> = []
  private readonly module: URL
  private readonly shared: Omit<ShardStart["effectQuicShard"], "index" | "order">
  private readonly places: ReadonlyArray<Place>

  constructor(module: URL, count: number, data: unknown) {
    this.module = module
    this.count = count
    const replays = makeSharedMemory(Date.now())
    this.shared = { count, secret: new Uint8Array(randomBytes(32)), replays, data }
    this.places = Array.from({ length: count }, (_, index) => ({
      index,
      worker: undefined,
      last: undefined,
      past: undefined
    }))
  }

  /** Starts all, one after another, as sockets are numbered in the order they are bound; the address of the first. */
  get start(): Effect.Effect<SocketAddress, QuicError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const ends: Array<Deferred.Deferred<void>> = []
      let address: SocketAddress | undefined
      for (const place of this.places) {
        const listening = Deferred.makeUnsafe<SocketAddress, QuicError>()
        const end = Deferred.makeUnsafe<void>()
        ends.push(end)
        yield* Effect.forkScoped(
          Effect.andThen(this.keepAlive(place, listening), Deferred.succeed(end, undefined))
        )
        const bound = yield* Deferred.await(listening)
        address ??= bound
      }
      const all = Effect.forEach(ends, Deferred.await, { discard: true })
      yield* Effect.forkScoped(Effect.andThen(all, Deferred.succeed(this.ended, undefined)))
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(SNAPSHOT_MILLIS), this.statistics)))
      return address!
    })
  }

  /** All of them, with those that are gone, as last known. */
  get latest(): EndpointStatistics | undefined {
    const known = this.places.flatMap(({ last, past }) => [last, past]).filter((one) => one !== undefined)
    return known.length === 0 ? undefined : sumStatistics(known)
  }

  get statistics(): Effect.Effect<EndpointStatistics> {
    const ask = (place: Place) => {
      const { worker } = place
      return Effect.map(this.ask(place, { about: "statistics" }), (answer) => {
        if (answer !== undefined && answer.length > 0 && place.worker === worker)
          place.last = sumStatistics(answer)
      })
    }
    return Effect.map(
      Effect.forEach(this.places, ask, { concurrency: "unbounded", discard: true }),
      () => this.latest!
    )
  }

  get trees(): Effect.Effect<ReadonlyArray<EndpointNode>> {
    return Effect.map(
      Effect.forEach(this.places, ({ index }) => this.treesOf(index), { concurrency: "unbounded" }),
      (trees) => trees.flat()
    )
  }

  /** None while a shard is replaced. */
  treesOf(index: number): Effect.Effect<ReadonlyArray<EndpointNode>> {
    return Effect.map(this.ask(this.places[index], { about: "tree" }), (trees = []) =>
      trees.map((tree) => ({ ...tree, shard: index }))
    )
  }

  drain(deadlineMillis: number, code: number, reason: string): Effect.Effect<DrainResult> {
    this.isDraining = true
    const question = { about: "drain", deadlineMillis, code, reason } as const
    const results = Effect.forEach(
      this.places,
      ({ worker }) =>
        worker === undefined ? Effect.succeed([]) : Effect.orElseSucceed(worker.ask(question), () => []),
      { concurrency: "unbounded" }
    )
    return Effect.map(results, (all) =>
      all
        .flat()
        .reduce(
          (sum, { finished, cutOff }) => ({ finished: sum.finished + finished, cutOff: sum.cutOff + cutOff }),
          { finished: 0, cutOff: 0 }
        )
    )
  }

  onStrays(from: number, { shard, port, strays }: Strays): void {
    const worker = this.places[shard]?.worker
    // datagrams for a shard that is being replaced are lost, as those of a crashed server
    if (worker === undefined) this.onTaken(shard, from, strays.length)
    else worker.post({ _tag: "strays", shard: from, port, strays })
  }

  onTaken(by: number, from: number, count: number): void {
    this.places[from]?.worker?.post({ _tag: "taken", by, count })
  }

  /** Runs a shard until its program ends by itself; before it has listened once, a failure is the caller's. */
  private keepAlive(
    place: Place,
    listening: Deferred.Deferred<SocketAddress, QuicError>
  ): Effect.Effect<void> {
    const { index } = place
    return Effect.gen({ self: this }, function* () {
      let pauseMillis = 0
      for (;;) {
        const startedAt = performance.now()
        const end = yield* Effect.exit(Effect.scoped(this.live(place, listening)))
        // the servers of a drained endpoint fail, as it is closed
        if (this.isDraining) return
        const why = Exit.isSuccess(end) ? silent(index) : Exit.failCause(end.cause)
        if (Deferred.doneUnsafe(listening, why) || Exit.isSuccess(end)) return
        this.restarts++
        const error = Option.getOrUndefined(Cause.findErrorOption(end.cause))
        yield* Effect.logError(
          `a shard has died, and is replaced: ${error?.message ?? Cause.pretty(end.cause)}`
        )
        if (performance.now() - startedAt > SETTLED_MILLIS) pauseMillis = 0
        yield* Effect.sleep(pauseMillis)
        pauseMillis = Math.min(LONGEST_PAUSE_MILLIS, Math.max(FIRST_PAUSE_MILLIS, 2 * pauseMillis))
      }
    })
  }

  /** One life. */
  private live(place: Place, listening: Deferred.Deferred<SocketAddress, QuicError>) {
    return Effect.gen({ self: this }, function* () {
      const { order } = this
      order.push(place.index)
      const start: ShardStart = { effectQuicShard: { ...this.shared, index: place.index, order: [...order] } }
      const worker = yield* Effect.acquireRelease(
        Effect.map(startWorker(this.module, start, this), (worker) => (place.worker = worker)),
        () => Effect.sync(() => this.bury(place))
      )
      yield* Effect.forkScoped(
        Effect.flatMap(Effect.exit(Deferred.await(worker.listening)), (exit) => {
          if (Exit.isSuccess(exit)) Deferred.doneUnsafe(listening, exit)
          return Effect.void
        })
      )
      yield* Deferred.await(worker.ended)
    })
  }

  private bury(place: Place): void {
    const { index, last: counted, past } = place
    place.worker = undefined
    // as Linux does with the socket of a group that closes: the last takes its position
    const last = this.order.pop()!
    if (last !== index) this.order[this.order.indexOf(index)] = last
    place.last = undefined
    if (counted !== undefined)
      place.past = sumStatistics([withoutGauges(counted), ...(past === undefined ? [] : [past])])
    // what was on its way to it never arrives
    for (const other of this.places)
      other.worker?.post({ _tag: "taken", by: index, count: Number.MAX_SAFE_INTEGER })
  }

  private ask<About extends Question["about"]>(
    { worker }: Place,
    question: Extract<Question, { readonly about: About }>
  ): Effect.Effect<Answers[About] | undefined> {
    if (worker === undefined) return Effect.undefined
    return Effect.orElseSucceed(Effect.timeout(worker.ask<About>(question), ANSWER_MILLIS), () => undefined)
  }
}

const silent = (shard: number): Exit.Exit<never, QuicError> =>
  Exit.fail(quicError(new ShardFailed({ shard, problem: "its program ended before it had an endpoint" })))
