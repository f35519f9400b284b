/** The ranges and defaults in the documentation of options are those of their schemas. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { EndpointLimits } from "../../src/EndpointLimits.ts"
import { millisOf } from "../../src/durationOption.ts"
import { TransportOptions } from "../../src/QuicOptions.ts"
import { publicNames } from "./publicNames.ts"

const number = "(\\d+(?:,\\d{3})*(?: (?:[KMG]iB|millis?|seconds?|minutes?|hours?|days?))?)"
const range = new RegExp(`${number} to ${number}, default ${number}`)

const toNumber = (text: string): number => {
  if (/[a-z]$/.test(text)) return millisOf(text)!
  const [, digits, unit] = /^([\d,]+)(?: ([KMG]iB))?$/.exec(text)!
  return Number(digits.replaceAll(",", "")) * (unit === undefined ? 1 : 1024 ** (1 + "KMG".indexOf(unit[0])))
}

describe.each([
  ["TransportOptions", TransportOptions, "src/QuicOptions.ts", 20],
  ["EndpointLimits", EndpointLimits, "src/EndpointLimits.ts", 7]
] as const)("%s", (schemaName, schema, file, least) => {
  const decode = (options: unknown) => Schema.decodeUnknownResult(schema)(options)
  const defaults: Readonly<Record<string, unknown>> = Result.getOrThrow(decode({}))

  const documented = publicNames([file])
    .filter(({ name }) => name.startsWith(`${schemaName}.`))
    .map(({ name, doc }) => ({ field: name.slice(schemaName.length + 1), text: doc.replace(/\s+/g, " ") }))

  it("every field of the schema is documented, every number with a range", () => {
    expect(documented.map(({ field }) => field)).toEqual(Object.keys(schema.fields))
    const numbers = documented.filter(({ field }) => millisOf(defaults[field]) !== undefined)
    expect(numbers.filter(({ text }) => !range.test(text))).toEqual([])
    expect(numbers.length).toBeGreaterThan(least)
  })

  it.each(documented.filter(({ text }) => range.test(text)))("$field has its range and default", (option) => {
    const [minimum, maximum, byDefault] = range.exec(option.text)!.slice(1).map(toNumber)
    const isValid = (value: number) => Result.isSuccess(decode({ [option.field]: value }))
    expect(millisOf(defaults[option.field])).toBe(byDefault)
    expect([minimum - 1, minimum, maximum, maximum + 1].map(isValid)).toEqual([false, true, true, false])
  })
})
