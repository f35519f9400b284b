/** What the compiler says about channels; `npm run check` fails if an error that is expected here is none. */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { expectTypeOf } from "vitest"
import { type Carrier, Channels, type QuicError } from "../../src/index.ts"
import { link } from "./world.ts"

/** Compiled, and never run. */
export const client = (carrier: Carrier) =>
  Effect.gen(function* () {
    const handles = yield* Channels.client(link, carrier)
    const { log, acks, talk } = handles
    expectTypeOf(log.send).parameter(0).toEqualTypeOf<{ readonly at: number; readonly text: string }>()
    expectTypeOf(acks.messages).toEqualTypeOf<Stream.Stream<number, QuicError>>()
    expectTypeOf(talk.receive()).toEqualTypeOf<Effect.Effect<string, QuicError>>()
    expectTypeOf(talk.receive({ timeout: 1 })).toEqualTypeOf<
      Effect.Effect<Option.Option<string>, QuicError>
    >()
    yield* talk.send("text")
    // @ts-expect-error wrong direction: the client only sends the log
    yield* log.receive()
    // @ts-expect-error wrong direction: the client only receives acks
    yield* acks.send(1)
    // @ts-expect-error wrong direction: the server closes acks
    yield* acks.close
    // @ts-expect-error of messages on a stream, none has a fate of its own
    yield* talk.deliver("text")
    // @ts-expect-error unknown channel
    yield* handles.heartbeat.send("text")
    // @ts-expect-error wrong message type
    yield* talk.send(1)
    // @ts-expect-error a field is missing
    yield* log.send({ at: 1 })
  })

/** Compiled, and never run. */
export const server = (carrier: Carrier) =>
  Effect.gen(function* () {
    const { log, acks, talk } = yield* Channels.server(link, carrier)
    yield* acks.send(1)
    yield* talk.send("text")
    expectTypeOf(log.receive()).toEqualTypeOf<
      Effect.Effect<{ readonly at: number; readonly text: string }, QuicError>
    >()
    // @ts-expect-error wrong direction: the server only receives the log
    yield* log.send({ at: 1, text: "a" })
    // @ts-expect-error wrong message type
    yield* acks.send("text")
  })

/** Each throws when it is run. */
export const declarations = [
  () =>
    Channels.make("a", {
      // @ts-expect-error no such direction
      channels: { one: { direction: "up", message: Schema.String } }
    }),
  () =>
    Channels.make("a", {
      // @ts-expect-error no message
      channels: { one: { direction: "both" } }
    }),
  () =>
    Channels.make("a", {
      // @ts-expect-error no such intent
      channels: { one: { direction: "both", message: Schema.String, intent: "fast" } }
    })
]
