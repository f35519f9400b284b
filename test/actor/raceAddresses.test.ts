import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { raceAddresses } from "../../src/actor/raceAddresses.ts"
import { quicError, Unreachable } from "../../src/QuicError.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"
import { itSim } from "../sim/itSim.ts"

const remotes = ["192.0.2.1", "192.0.2.2"].map((host) => socketAddress(host, 443)!)
const settings = { host: "raced.example", remotes, delayMillis: 10, timeoutMillis: 1_000 }

describe("C6 a race of attempts", () => {
  itSim("leaves one connection, also when two succeed at the same moment", () =>
    Effect.gen(function* () {
      const open = new Set<string>()
      // an interrupt comes too late for the loser
      const attempt = ({ host }: (typeof remotes)[number]) =>
        Effect.andThen(
          Effect.sleep(host === "192.0.2.1" ? 20 : 10),
          Effect.acquireRelease(
            Effect.sync(() => {
              open.add(host)
              return host
            }),
            () => Effect.sync(() => open.delete(host))
          )
        ).pipe(Effect.uninterruptible)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const winner = yield* raceAddresses({ ...settings, attempt })
          expect([...open]).toEqual([winner])
        })
      )
      expect(open.size).toBe(0)
    })
  )

  itSim("releases at once what an attempt acquired before it failed", () =>
    Effect.gen(function* () {
      let held = 0
      const attempt = () =>
        Effect.andThen(
          Effect.acquireRelease(
            Effect.sync(() => held++),
            () => Effect.sync(() => held--)
          ),
          Effect.fail(quicError(new Unreachable({ address: "there", problem: "no" })))
        )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const error = yield* Effect.flip(raceAddresses({ ...settings, attempt }))
          expect(error.reason).toMatchObject({ _tag: "ConnectFailed", attempts: [{}, {}] })
          expect(held).toBe(0)
        })
      )
    })
  )
})
