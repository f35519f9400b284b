/** An expected error is shown as one line, and the spans of who met it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { expect, it } from "@effect/vitest"
import { invalidOption, quicError, StatelessReset } from "../../src/QuicError.ts"
import { simulated } from "../api/World.ts"
import { endpoints } from "../api/pair.ts"

const pretty = <A, E>(exit: Exit.Exit<A, E>): ReadonlyArray<string> =>
  Exit.isSuccess(exit) ? [] : Cause.pretty(exit.cause).split("\n")

simulated.it("an error of an operation says who has called it, and nothing of this package", (world) =>
  Effect.gen(function* () {
    const { client, connectOptions } = yield* endpoints(world)
    const callService = Effect.fn("Billing.call")(function* (transport: {
      readonly handshakeTimeout: number
    }) {
      return yield* client.connect({ ...connectOptions, port: 1, transport })
    })
    for (const [handshakeTimeout, message] of [
      [1, /^QuicError: transport\.handshakeTimeout: /],
      [200, /^QuicError: (no handshake with|cannot reach) /]
    ] as const) {
      const [first, ...below] = pretty(yield* Effect.exit(callService({ handshakeTimeout })))
      expect(first).toMatch(message)
      expect(below.join("\n")).toContain("at Billing.call")
      expect(below.filter((line) => /\/src\/|\/layers\//.test(line))).toEqual([])
    }
  })
)

it("an error without spans is one line", () => {
  const [line, ...rest] = pretty(Effect.runSyncExit(invalidOption("port", "0 to 65535")))
  expect([line, rest]).toEqual(["QuicError: port: 0 to 65535", []])
  const error = quicError(new StatelessReset())
  expect(error.stack).toBe("QuicError: the peer no longer knows this connection (stateless reset)")
  // others keep their stacks
  expect(new Error("x").stack).toContain("errorText.test.ts")
})

it("a reason that is none leaves the stacks of others as they were", () => {
  const limit = Error.stackTraceLimit
  expect(() => quicError({ _tag: "Nonsense" } as never)).toThrow()
  expect(Error.stackTraceLimit).toBe(limit)
})
