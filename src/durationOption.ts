/**
 * Durations among options: whatever Effect takes for one (`Duration.Input`), within a range. The core has numbers instead,
 * with the unit in their names.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { isRecord } from "./arguments.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"

const parts = ["weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"]

const isNumber = (value: unknown): boolean => typeof value === "number" && !Number.isNaN(value)

/** `Duration.fromInput` takes NaN, and an object without a part it knows, for no time at all. */
const hasNumbers = (given: unknown): boolean => {
  if (Array.isArray(given)) return given.every(isNumber)
  if (!isRecord(given) || Duration.isDuration(given)) return true
  const named = Object.keys(given)
  return named.length > 0 && named.every((part) => parts.includes(part) && isNumber(given[part]))
}

/** The milliseconds of a `Duration.Input`, with their fraction; undefined for what is none. */
export const millisOf = (given: unknown): number | undefined => {
  if (typeof given === "number") return Number.isNaN(given) ? undefined : given
  if (!hasNumbers(given)) return undefined
  return Option.getOrUndefined(Option.map(Duration.fromInput(given as Duration.Input), Duration.toMillis))
}

/** The same above 0, for waits that may be without end; undefined for others. */
export const positiveMillis = (given: unknown): number | undefined => {
  const millis = millisOf(given)
  return millis !== undefined && millis > 0 ? millis : undefined
}

const units = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000]
] as const

/** As an option could be written: `1 day`, `100 millis`. */
const text = (millis: number): string => {
  const [unit, length] = units.find(([, each]) => millis > 0 && millis % each === 0) ?? ["milli", 1]
  const count = millis / length
  return millis === 0 ? "0" : `${count} ${unit}${count === 1 ? "" : "s"}`
}

/** What is wrong with a duration that is not `minimum` to `maximum` milliseconds. */
const expected = (minimum: number, maximum: number): string =>
  `a duration from ${text(minimum)} to ${text(maximum)}`

const isWithin = (given: unknown, minimum: number, maximum: number): given is Duration.Input => {
  const millis = millisOf(given)
  return millis !== undefined && millis >= minimum && millis <= maximum
}

/** A duration of `minimum` to `maximum` milliseconds. */
export const DurationOption = (minimum: number, maximum: number) =>
  Schema.declare((given): given is Duration.Input => isWithin(given, minimum, maximum), {
    expected: expected(minimum, maximum)
  })

/** The same, which may be left out. */
export const durationOr = (minimum: number, maximum: number, byDefault: Duration.Input) =>
  DurationOption(minimum, maximum).pipe(Schema.withDecodingDefaultKey(Effect.succeed(byDefault)))

/** Milliseconds of a duration that was checked, rounded up, so that only nothing is nothing. */
export const wholeMillis = (checked: Duration.Input): number => Math.ceil(Duration.toMillis(checked))

/** Checks a duration of `minimum` to `maximum` milliseconds by hand. */
export const checkedMillis = (
  field: string,
  given: unknown,
  minimum: number,
  maximum: number
): Effect.Effect<number, QuicError> =>
  isWithin(given, minimum, maximum)
    ? Effect.succeed(wholeMillis(given))
    : invalidOption(field, expected(minimum, maximum))

type InMillis<Options, Field extends keyof Options> = Omit<Options, Field> & {
  readonly [Name in keyof Pick<Options, Field> as `${Name & string}Millis`]: number
}

/** Checked options as the core has them: these durations in whole milliseconds, which their names then say. */
export const inMillis = <Options extends object, Field extends keyof Options & string>(
  checked: Options,
  fields: ReadonlyArray<Field>
): InMillis<Options, Field> => {
  const settings: Record<string, unknown> = { ...(checked as object) }
  for (const field of fields) {
    const given = settings[field]
    delete settings[field]
    if (given !== undefined) settings[`${field}Millis`] = wholeMillis(given as Duration.Input)
  }
  return settings as InMillis<Options, Field>
}
