/** The service that `rpcSuite` calls: one RPC for each behaviour, and what its handlers have noticed. */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Headers from "effect/http/Headers"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as RpcServer from "effect/rpc/RpcServer"
import type { Ends } from "./transports.ts"

export class Book extends Schema.Class<Book>("Book")({ id: Schema.String, title: Schema.String }) {}

export class OutOfPrint extends Schema.TaggedError<OutOfPrint>()("OutOfPrint", { id: Schema.String }) {}

class Reader extends Context.Service<Reader, { readonly name: string }>()("Reader") {}

/** Provides the reader that a header names, if the client's half has shown the card. */
class Card extends RpcMiddleware.Service<Card, { provides: Reader }>()("Card", {
  requiredForClient: true,
  error: Schema.String
}) {}

/** Counts how calls end. */
class Timing extends RpcMiddleware.Service<Timing>()("Timing") {}

const id = { payload: { id: Schema.String } }

export const Library = RpcGroup.make(
  Rpc.make("Get", { ...id, success: Book, error: OutOfPrint }),
  Rpc.make("Later", { success: Schema.String }),
  Rpc.make("Find", { ...id, success: Schema.Option(Book) }),
  Rpc.make("Borrow", { ...id, success: Schema.String, error: Schema.String }).middleware(Card),
  Rpc.make("Pages", {
    payload: { count: Schema.Number, bytes: Schema.Number },
    success: Schema.Struct({ number: Schema.Number, text: Schema.String }),
    error: OutOfPrint,
    stream: true
  }),
  Rpc.make("Burn", { success: Schema.Void }),
  Rpc.make("Wait", { success: Schema.Void }),
  Rpc.make("Return", { ...id, success: Schema.Void }),
  Rpc.make("Trace", { success: Schema.String }),
  Rpc.make("Timed", {
    payload: { fails: Schema.Boolean },
    success: Schema.Number,
    error: Schema.String
  }).middleware(Timing)
).merge(RpcGroup.make(Rpc.make("Count", { success: Schema.Number })).prefix("shelf."))

/** What a client of another version takes for the library. */
const OtherLibrary = RpcGroup.make(
  Rpc.make("Get", { payload: { id: Schema.Struct({ shelf: Schema.Number, place: Schema.Number }) } }),
  Rpc.make("Find", { ...id, success: Schema.Array(Schema.Number) }),
  Rpc.make("Sell", { ...id })
)

/** What the handlers have seen. */
export class Seen extends Context.Service<Seen>()("Seen", {
  make: Effect.sync(() => ({
    pages: 0,
    waiting: Deferred.makeUnsafe<void>(),
    /** Whether the handler of `Wait` was told that its caller gave up. */
    abandoned: Deferred.makeUnsafe<boolean>(),
    pagesInterrupted: Deferred.makeUnsafe<void>(),
    later: Deferred.makeUnsafe<string>(),
    mayReturn: Deferred.makeUnsafe<void>(),
    returned: Deferred.makeUnsafe<string>(),
    timed: { success: 0, failure: 0 }
  }))
}) {}

const isAbort = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some(({ annotations }) => annotations.has(RpcSchema.ClientAbort.key))

const handlers = Library.toLayer(
  Effect.gen(function* () {
    const seen = yield* Seen
    return Library.of({
      Get: ({ id }) =>
        id === "0"
          ? Effect.fail(new OutOfPrint({ id }))
          : Effect.succeed(new Book({ id, title: `book ${id}` })),
      Later: () => Effect.succeed(seen.later),
      Find: ({ id }) =>
        Effect.succeed(id === "0" ? Option.none() : Option.some(new Book({ id, title: `book ${id}` }))),
      Borrow: ({ id }) => Effect.map(Reader, ({ name }) => `${name} has ${id}`),
      Pages: ({ bytes, count }) =>
        Stream.range(1, count).pipe(
          Stream.rechunk(1),
          Stream.tap(() => Effect.sync(() => seen.pages++)),
          Stream.map((number) => ({ number, text: "x".repeat(bytes) })),
          Stream.concat(count === 3 ? Stream.fail(new OutOfPrint({ id: "4" })) : Stream.empty),
          Stream.ensuring(Deferred.succeed(seen.pagesInterrupted, undefined))
        ),
      Burn: () => Effect.die("fire"),
      Wait: () =>
        Effect.andThen(Deferred.succeed(seen.waiting, undefined), Effect.never).pipe(
          Effect.onError((cause) => Deferred.succeed(seen.abandoned, isAbort(cause)))
        ),
      Return: ({ id }) =>
        Effect.andThen(Deferred.await(seen.mayReturn), Deferred.succeed(seen.returned, id)).pipe(
          Effect.asVoid,
          Effect.onInterrupt(() => Deferred.succeed(seen.returned, "interrupted"))
        ),
      Trace: () => Effect.map(Effect.orDie(Effect.currentSpan), ({ traceId }) => traceId),
      Timed: ({ fails }) => (fails ? Effect.fail("late") : Effect.succeed(1)),
      "shelf.Count": () => Effect.succeed(7)
    })
  })
)

const card = Layer.succeed(Card, (effect, { headers }) =>
  headers.card !== "valid" || headers.reader === undefined
    ? Effect.fail("no card")
    : Effect.provideService(effect, Reader, { name: headers.reader })
)

const timing = Layer.effect(
  Timing,
  Effect.map(Seen, ({ timed }) =>
    Timing.of((effect) =>
      Effect.tapCause(
        Effect.tap(effect, () => Effect.sync(() => timed.success++)),
        () => Effect.sync(() => timed.failure++)
      )
    )
  )
)

const showCard = RpcMiddleware.layerClient(Card, ({ next, request }) =>
  next({ ...request, headers: Headers.set(request.headers, "card", "valid") })
)

/** Serves the library, and has a client call it. */
export const library = Effect.fnUntraced(function* ({ client, server }: Ends) {
  const served = RpcServer.layer(Library).pipe(
    Layer.provide([handlers, card, timing]),
    Layer.provide(server),
    Layer.provideMerge(Layer.effect(Seen, Seen.make))
  )
  const scope = yield* Scope.fork(yield* Effect.scope)
  const seen = Context.get(yield* Layer.buildWithScope(served, scope), Seen)
  /** Another client. */
  const join = Effect.gen(function* () {
    const context = yield* Layer.build(Layer.merge(Layer.fresh(client), showCard))
    const calls = yield* Effect.provideContext(RpcClient.make(Library), context)
    return { calls, strange: yield* Effect.provideContext(RpcClient.make(OtherLibrary), context) }
  })
  return {
    ...(yield* join),
    join: Effect.map(join, ({ calls }) => calls),
    seen,
    stop: Scope.close(scope, Exit.void)
  }
})
