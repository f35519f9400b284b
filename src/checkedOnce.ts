/** Checks options that mostly are those of the time before: an endpoint's connections are made alike. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { QuicError } from "./QuicError.ts"

/** A value that can be compared, or a list of them. */
type Primitive = string | number | bigint | boolean
type Flat = Primitive | Duration.Duration | undefined | ReadonlyArray<Primitive>

const isPrimitive = (value: unknown): value is Primitive =>
  typeof value === "string" ||
  typeof value === "number" ||
  typeof value === "bigint" ||
  typeof value === "boolean"

/** Whether all fields are its own. */
const isPlain = (options: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(options)
  return prototype === Object.prototype || prototype === null
}

/** A copy that the caller cannot change; undefined if a field is neither a primitive nor a duration nor a list of primitives. */
const flatCopy = (options: object): ReadonlyMap<string, Flat> | undefined => {
  if (!isPlain(options)) return undefined
  const copy = new Map<string, Flat>()
  for (const [key, value] of Object.entries(options)) {
    if (Array.isArray(value) && value.every(isPrimitive)) copy.set(key, [...value])
    else if (value === undefined || isPrimitive(value) || Duration.isDuration(value)) copy.set(key, value)
    else return undefined
  }
  return copy
}

const isSame = (before: Flat, now: unknown): boolean =>
  Duration.isDuration(before)
    ? Duration.isDuration(now) && Duration.equals(before, now)
    : Array.isArray(before)
      ? Array.isArray(now) && now.length === before.length && before.every((each, i) => each === now[i])
      : before === now

const areSame = (before: ReadonlyMap<string, Flat>, now: object): boolean => {
  const keys = Object.keys(now)
  return (
    isPlain(now) &&
    keys.length === before.size &&
    keys.every((key) => before.has(key) && isSame(before.get(key), (now as Record<string, unknown>)[key]))
  )
}

/**
 * `check`, which is skipped for options that equal those of the last success. They then have the same result, of which a
 * crowd of connections has one copy.
 */
export const checkedOnce = <A extends object, B>(
  check: (options: A) => Effect.Effect<B, QuicError>
): ((options: A) => Effect.Effect<B, QuicError>) => {
  let last: { readonly options: ReadonlyMap<string, Flat>; readonly result: Effect.Effect<B> } | undefined
  return (options) => {
    if (last !== undefined && areSame(last.options, options)) return last.result
    // before the check, which may run code of the caller's
    const copy = flatCopy(options)
    return Effect.map(check(options), (checked) => {
      if (copy !== undefined) last = { options: copy, result: Effect.succeed(checked) }
      return checked
    })
  }
}
