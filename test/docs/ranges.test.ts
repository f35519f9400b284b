/** The ranges and defaults in the documentation of `TransportOptions` are those of its schema. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import { TransportOptions } from "../../src/QuicOptions.ts"
import { publicNames } from "./publicNames.ts"

const number = "(\\d+(?:,\\d{3})*(?: [MG]iB)?)"
const range = new RegExp(`${number} to ${number}, default ${number}`)

const toNumber = (text: string): number => {
  const [, digits, unit] = /^([\d,]+)(?: ([MG]iB))?$/.exec(text)!
  return Number(digits.replaceAll(",", "")) * (unit === "MiB" ? 2 ** 20 : unit === "GiB" ? 2 ** 30 : 1)
}

const decode = (options: unknown) => Schema.decodeUnknownResult(TransportOptions)(options)
const defaults: Readonly<Record<string, unknown>> = Result.getOrThrow(decode({}))

const documented = publicNames(["src/QuicOptions.ts"])
  .filter(({ name }) => name.startsWith("TransportOptions."))
  .map(({ name, doc }) => ({ field: name.slice("TransportOptions.".length), text: doc.replace(/\s+/g, " ") }))

it("every field of the schema is documented, every number with a range", () => {
  expect(documented.map(({ field }) => field)).toEqual(Object.keys(TransportOptions.fields))
  const numbers = documented.filter(({ field }) => typeof defaults[field] === "number")
  expect(numbers.filter(({ text }) => !range.test(text))).toEqual([])
  expect(numbers.length).toBeGreaterThan(20)
})

it.each(documented.filter(({ text }) => range.test(text)))("$field has its range and default", (option) => {
  const [minimum, maximum, byDefault] = range.exec(option.text)!.slice(1).map(toNumber)
  const isValid = (value: number) => Result.isSuccess(decode({ [option.field]: value }))
  expect(defaults[option.field]).toBe(byDefault)
  expect([minimum - 1, minimum, maximum, maximum + 1].map(isValid)).toEqual([false, true, true, false])
})
