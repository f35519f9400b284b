/**
 * What a caller hands over, where no type checker has looked: each is what it may be, or refused with `InvalidOption`, which
 * says that. Taken as it comes, text would be sent as so many zeros, and an ArrayBuffer as nothing.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { invalidOption, type QuicError } from "./QuicError.ts"

/** Why an argument is refused; undefined when it is not. */
export type Refusal = Effect.Effect<never, QuicError> | undefined

/** Also one of another realm, such as a vm context, whose constructor is not ours. */
export const isBytes = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]"

const notBytes = invalidOption(
  "bytes",
  "a Uint8Array: of text, what new TextEncoder().encode(text) returns; of an ArrayBuffer, new Uint8Array(buffer)"
)

export const refuseBytes = (value: unknown): Refusal => (isBytes(value) ? undefined : notBytes)

/** An object with fields. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const checkRecord = (value: unknown, field: string): Effect.Effect<void, QuicError> =>
  isRecord(value) ? Effect.void : invalidOption(field, "an object of options")

export const refuseFunction = (value: unknown, field: string): Refusal =>
  typeof value === "function" ? undefined : invalidOption(field, "a function that returns an Effect")

/** Calls a function of the application's; one that throws, or returns no Effect, dies instead. */
export const called = <A, E, R>(make: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const made = make()
    return Effect.isEffect(made)
      ? made
      : Effect.die(new TypeError("it returned no Effect; of a Promise, Effect.promise makes one"))
  })

/** The bytes of a secret. */
export const secretBytes = (secret: unknown, field: string): Effect.Effect<Uint8Array, QuicError> => {
  const bytes = Redacted.isRedacted(secret) ? Redacted.value(secret) : undefined
  return isBytes(bytes) && bytes.length >= 32
    ? Effect.succeed(bytes)
    : invalidOption(field, "at least 32 unpredictable bytes, a Redacted of a Uint8Array")
}
