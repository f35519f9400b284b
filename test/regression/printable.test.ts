import { it } from "@effect/vitest"
import * as fc from "fast-check"
import { expect } from "vitest"
import { MAX_PRINTABLE, printable, printableBytes, printableJson } from "../../src/internal/printable.ts"

it("text from a peer cannot move the cursor, forge a line or change the text direction", () => {
  const hostile = "ok\r\n\x1b[2J\x9b31m\u202eevil\u2066\u2028fake line\u200b\ufeff\ud800 end"
  expect(printable(hostile)).toBe("ok \ufffd[2J\ufffd31m\ufffdevil\ufffd fake line\ufffd \ufffd end")
})

it("text from a peer is one line of bounded length", () => {
  const obeyed = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 300 }), (bytes, most) => {
      const text = printableBytes(bytes, 0, bytes.length, most)
      expect(text).not.toMatch(obeyed)
      expect(text.length).toBeLessThanOrEqual(most + 1)
    })
  )
  expect(printable("a".repeat(10_000))).toBe(`${"a".repeat(MAX_PRINTABLE)}…`)
})

it("JSON shown on a terminal escapes what JSON by itself does not, and loses nothing", () => {
  const hostile = { text: "\u007f\u009b31m\u202eevil\u2028\u{e0001}\ue000\ud800 日本語 🎉" }
  const shown = printableJson(hostile)
  expect(shown).toBe(`{"text":"\\u007f\\u009b31m\\u202eevil\\u2028\\udb40\\udc01\\ue000\\ud800 日本語 🎉"}`)
  expect(JSON.parse(shown)).toEqual(hostile)
})

it("ordinary text is unchanged", () => {
  for (const text of ["", "grüß Gott", "日本語 🎉", "a".repeat(MAX_PRINTABLE)])
    expect(printable(text)).toBe(text)
})
