import { it } from "@effect/vitest"
import * as fc from "fast-check"
import { expect } from "vitest"
import { MAX_PRINTABLE, printable, printableBytes } from "../../src/internal/printable.ts"

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

it("ordinary text is unchanged", () => {
  for (const text of ["", "grüß Gott", "日本語 🎉", "a".repeat(MAX_PRINTABLE)])
    expect(printable(text)).toBe(text)
})
