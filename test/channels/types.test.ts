/** What the compiler and `Channels.make` say about declarations. */
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import { Channels, type QuicError } from "../../src/index.ts"
import { declarations } from "./compiled.ts"

it("C1: a wrong direction, an unknown channel and a wrong message type fail at compile time", () => {
  for (const declaration of declarations)
    expect(declaration).toThrow(expect.objectContaining({ _tag: "QuicError" }))
})

it("C1: a wrong declaration names the field", () => {
  const one = { direction: "both", message: Schema.String } as const
  const fieldOf = (name: unknown, options: unknown): unknown => {
    try {
      Channels.make(name as never, options as never)
      return undefined
    } catch (error) {
      return (error as QuicError).reason._tag === "InvalidOption"
        ? (error as { reason: { field: string } }).reason.field
        : error
    }
  }
  expect(fieldOf("a", { channels: { one } })).toBeUndefined()
  expect(fieldOf("", { channels: { one } })).toBe("name")
  expect(fieldOf(1, { channels: { one } })).toBe("name")
  expect(fieldOf("a", undefined)).toBe("options")
  expect(fieldOf("a", { channels: {} })).toBe("channels")
  expect(fieldOf("a", { channels: [one] })).toBe("channels")
  expect(fieldOf("a", { channels: { one }, versions: 1 })).toBe("versions")
  for (const version of [0, 65_536, 1.5, "1"])
    expect(fieldOf("a", { channels: { one }, version })).toBe("version")
  expect(fieldOf("a", { channels: { one }, version: 2, oldestVersion: 3 })).toBe("oldestVersion")
  const wrong = {
    direction: "up",
    message: "text",
    intent: "fast",
    priority: 0.5,
    maxBytes: 0,
    encoding: "xml",
    replaySafe: 1,
    colour: "red"
  }
  for (const [field, value] of Object.entries(wrong))
    expect(fieldOf("a", { channels: { one: { ...one, [field]: value } } })).toBe(`channels.one.${field}`)
  expect(fieldOf("a", { channels: { one: "text" } })).toBe("channels.one")
  // two names with one FNV-1a hash
  expect(fieldOf("a", { channels: { costarring: one, liquid: one } })).toBe("channels.costarring")
})
