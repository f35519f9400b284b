import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import type { QuicError } from "../../src/index.ts"
import { withErrorCode } from "../../src/QuicError.ts"

// -1 was once sent as a malformed frame, and NaN and 2^62 as 0
describe("application error codes", () => {
  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    "%s is rejected before anything is sent",
    (code) => {
      let used = false
      const exit = Effect.runSyncExit(
        withErrorCode(code, () =>
          Effect.sync(() => {
            used = true
          })
        )
      )
      expect(used).toBe(false)
      const error = Exit.isFailure(exit) ? (Effect.runSync(Effect.flip(exit)) as QuicError) : undefined
      expect(error?.reason).toMatchObject({ _tag: "InvalidOption", field: "code" })
    }
  )

  it.each([0, 7, Number.MAX_SAFE_INTEGER])("%s is accepted", (code) => {
    expect(Effect.runSync(withErrorCode(code, () => Effect.succeed(code)))).toBe(code)
  })
})
