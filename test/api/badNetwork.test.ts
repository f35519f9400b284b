import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import { badLink, linkedEndpoints, transfer } from "./badNetwork.ts"

const HANDSHAKES = 50

describe("a bad network", () => {
  it("gives the same packets for the same seed, and different ones for another", async () => {
    const [first, again, other] = [
      await transfer("replay", 500_000),
      await transfer("replay", 500_000),
      await transfer("another", 500_000)
    ]
    expect(first.exit).toEqual(Exit.succeed(true))
    expect(again.digest).toBe(first.digest)
    expect(other.digest).not.toBe(first.digest)
  })

  for (let n = 0; n < HANDSHAKES; n++)
    it(`completes a handshake at 30 % loss each way, seed ${n}`, async () => {
      const { exit } = await SimRuntime.run(
        `handshake ${n}`,
        Effect.gen(function* () {
          const { server, connect } = yield* linkedEndpoints(
            { ...badLink, lossRate: 0.3 },
            { handshakeTimeout: 120_000, maxIdleTimeout: 120_000 }
          )
          const [near, far] = yield* Effect.all([connect, server.accept], { concurrency: "unbounded" })
          // and the connection is usable
          const stream = yield* near.openUni
          yield* stream.write(new Uint8Array(10_000))
          yield* stream.finish
          const reading = yield* far.acceptUni
          let received = 0
          for (let chunk = yield* reading.read(); chunk !== undefined; chunk = yield* reading.read())
            received += chunk.length
          return received
        }).pipe(Effect.scoped)
      )
      expect(exit).toEqual(Exit.succeed(10_000))
    })
})
