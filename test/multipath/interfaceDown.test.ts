/** D5: an interface that is gone is not waited for: its path is abandoned, and the others go on. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { MOBILE, twoLinks, upload, WIFI } from "./twoLinks.ts"

const MEGABYTE = 1_000_000
const shaped = {
  wifi: { bitsPerSecond: 50e6, delayMillis: 10, queueBytes: 125_000 },
  mobile: { bitsPerSecond: 20e6, delayMillis: 30, queueBytes: 150_000 },
  autoMigrate: true
}

const down = (address: string) =>
  [{ atMillis: 0, fault: { kind: "interfaceDown", host: "phone", address } }] as const

describe("D5: an interface that goes", () => {
  for (const [address, id, left] of [
    [WIFI, 0, 1],
    [MOBILE, 1, 0]
  ] as const)
    itSim(`has path ${id} abandoned in mid-transfer, and nothing waits`, () =>
      Effect.gen(function* () {
        const ends = yield* twoLinks(shaped)
        yield* ends.connection.openPath({ local: { host: MOBILE } })
        yield* upload(ends, 5 * MEGABYTE)
        const gone = ends.connection.path(id)!
        const uploading = yield* Effect.forkChild(upload(ends, 10 * MEGABYTE))
        yield* Effect.sleep(500)
        ends.network.apply(down(address))
        yield* Effect.sleep(1)
        expect(gone.info).toMatchObject({ state: "closing", carriesData: false })
        expect(ends.connection.path(left)!.info).toMatchObject({ state: "active", carriesData: true })
        const { longestGapMillis, received } = yield* Fiber.join(uploading)
        expect(received).toBe(10 * MEGABYTE)
        expect(longestGapMillis).toBeLessThan(200)
        yield* gone.closed
        yield* Effect.sleep(5_000)
        expect(ends.connection.paths.map((path) => path.id)).toEqual([left])
        expect(ends.accepted[0].paths.map((path) => path.id)).toEqual([left])
        // it did not move
        const moves = yield* ends.connection.migrations.pipe(
          Stream.interruptWhen(Effect.sleep(1)),
          Stream.runCollect
        )
        expect(moves).toEqual([])
      })
    )

  itSim("moves the last path when no other is left, as it does without multipath", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks(shaped)
      yield* upload(ends, MEGABYTE)
      ends.network.apply(down(WIFI))
      expect(yield* upload(ends, MEGABYTE)).toMatchObject({ received: MEGABYTE })
      expect(ends.connection.paths.map((path) => path.id)).toEqual([0])
    })
  )
})
