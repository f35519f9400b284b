/**
 * One side of an RPC benchmark in its own process: `node rpcSides.ts SYSTEM server HOST`, which says its port, or
 * `node rpcSides.ts SYSTEM client`, which answers questions over IPC.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Group, text } from "./rpcGroup.ts"
import { type Place, type RpcSystem, rpcTransports } from "./rpcTransports.ts"
import { quantiles } from "./system.ts"

export type RpcQuestion =
  | ({ readonly kind: "connect" } & Place)
  /** Calls for that long, so many at a time, each lane one after the other. */
  | { readonly kind: "calls"; readonly inFlight: number; readonly millis: number }
  /** A streamed reply of `count` items, left after that long. */
  | { readonly kind: "items"; readonly count: number; readonly millis: number }

export interface CallsAnswer {
  /** In milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly perSecond: number
}

export interface ItemsAnswer {
  readonly items: number
  readonly perSecond: number
}

const [name, role, host] = process.argv.slice(2)
const transport = rpcTransports[name as RpcSystem]
const scope = Scope.makeUnsafe()
const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Scope.provide(effect, scope))

const connect = Effect.fnUntraced(function* (place: Place) {
  const context = yield* Layer.build(transport.protocol(place))
  return yield* Effect.provideContext(RpcClient.make(Group, { disableTracing: true }), context)
})

type Calls = Effect.Success<ReturnType<typeof connect>>

const timeCalls = Effect.fnUntraced(function* (calls: Calls, inFlight: number, millis: number) {
  const samples: Array<number> = []
  const startedAt = performance.now()
  const lane = Effect.gen(function* () {
    for (let at = performance.now(); at - startedAt < millis; ) {
      yield* calls.Echo({ text })
      const now = performance.now()
      samples.push(now - at)
      at = now
    }
  })
  yield* Effect.all(
    Array.from({ length: inFlight }, () => lane),
    {
      concurrency: "unbounded",
      discard: true
    }
  )
  const perSecond = (1000 * samples.length) / (performance.now() - startedAt)
  return { ...quantiles(samples), perSecond } satisfies CallsAnswer
})

const timeItems = Effect.fnUntraced(function* (calls: Calls, count: number, millis: number) {
  let items = 0
  let lastAt = 0
  const startedAt = performance.now()
  const done = yield* Deferred.make<void>()
  const fiber = yield* calls.Items({ count }).pipe(
    Stream.runForEachArray((each) =>
      Effect.sync(() => {
        items += each.length
        lastAt = performance.now()
      })
    ),
    Effect.andThen(Deferred.succeed(done, undefined)),
    Effect.forkScoped
  )
  yield* Effect.timeoutOption(Effect.raceFirst(Deferred.await(done), Fiber.join(fiber)), millis)
  yield* Fiber.interrupt(fiber)
  return { items, perSecond: (1000 * items) / (lastAt - startedAt) } satisfies ItemsAnswer
})

let connected: Calls | undefined

const answer = async (question: RpcQuestion): Promise<object> => {
  switch (question.kind) {
    case "connect":
      connected = await run(connect(question))
      return {}
    case "calls":
      return run(timeCalls(connected!, question.inFlight, question.millis))
    case "items":
      return run(timeItems(connected!, question.count, question.millis))
  }
}

const failed = (error: unknown): void => {
  process.send!({ error: error instanceof Error ? error.stack : String(error) })
}

process.on("disconnect", () => process.exit(0))
if (role === "server") run(transport.serve(host)).then((port) => process.send!({ port }), failed)
else
  process.on("message", (question: RpcQuestion) => {
    answer(question).then((result) => process.send!(result), failed)
  })
