/**
 * Checks of arguments, for callers without a type checker; a wrong one fails with `InvalidOption`. Unchecked, a string would
 * be sent as zeros and an ArrayBuffer as nothing.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { invalidOption, type QuicError } from "./QuicError.ts"

/** Fails with why an argument is rejected; undefined if it is not. */
export type Refusal = Effect.Effect<never, QuicError> | undefined

/** Accepts Uint8Arrays of other realms too, such as a vm context, which are not instances of ours. */
export const isBytes = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]"

const notBytes = invalidOption(
  "bytes",
  "a Uint8Array; convert a string with new TextEncoder().encode(text), an ArrayBuffer with new Uint8Array(buffer)"
)

export const refuseBytes = (value: unknown): Refusal => (isBytes(value) ? undefined : notBytes)

const notChunks = invalidOption("chunks", "an array of Uint8Arrays")

export const refuseChunks = (value: unknown): Refusal =>
  Array.isArray(value) && value.every(isBytes) ? undefined : notChunks

/** Whether a value is an object with fields. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const checkRecord = (value: unknown, field: string): Effect.Effect<void, QuicError> =>
  isRecord(value) ? Effect.void : invalidOption(field, "an object of options")

/** Numbers of things, such as paths. */
export const refuseCount = (value: unknown, field: string): Refusal =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? undefined
    : invalidOption(field, "an integer from 0")

export const refuseFunction = (value: unknown, field: string): Refusal =>
  typeof value === "function" ? undefined : invalidOption(field, "a function that returns an Effect")

/** Calls a function of the application; dies if it throws or does not return an Effect. */
export const called = <A, E, R>(make: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const made = make()
    return Effect.isEffect(made)
      ? made
      : Effect.die(new TypeError("it did not return an Effect; wrap a Promise with Effect.promise"))
  })

/** The bytes of a secret, of which there must be at least 32. */
export const secretBytes = (secret: unknown, field: string): Effect.Effect<Uint8Array, QuicError> => {
  const bytes = Redacted.isRedacted(secret) ? Redacted.value(secret) : undefined
  return isBytes(bytes) && bytes.length >= 32
    ? Effect.succeed(bytes)
    : invalidOption(field, "at least 32 unpredictable bytes, a Redacted of a Uint8Array")
}
