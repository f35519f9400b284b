/** The interop runner's measurements, in virtual time: the goodput of one connection, and how two share a link. */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { both, get, MIB, patient, stage, timed } from "./hq.ts"

const bitsPerSecond = 10e6
const delayMillis = 15
/** Queues at most one bandwidth-delay product: 25 full packets. */
const bottleneck = { delayMillis, bitsPerSecond, queueBytes: (bitsPerSecond * 2 * delayMillis) / 8e3 }

const algorithms = ["cubic", "newReno", "bbr"] as const

describe("goodput", () => {
  for (const congestion of algorithms)
    itSim(`${congestion} moves 10 MiB at 80 % of the rate of the link or more`, () =>
      Effect.gen(function* () {
        const { connect } = yield* stage(bottleneck, both({ ...patient, congestion }))
        const near = yield* connect
        const millis = yield* timed(get(near, 10 * MIB))
        const share = (10 * MIB * 8e3) / millis / bitsPerSecond
        expect(share).toBeGreaterThan(0.8)
      })
    )
})

describe("crosstraffic", () => {
  // RFC 9002 §7 #1
  for (const congestion of algorithms)
    itSim(`two connections with ${congestion} each get 40 to 60 % of what they share for 30 s`, () =>
      Effect.gen(function* () {
        const { connect } = yield* stage(bottleneck, both({ ...patient, congestion }))
        const had = [0, 0]
        const download = Effect.fnUntraced(function* (i: number) {
          const near = yield* connect
          yield* get(near, 1000 * MIB, (bytes) => {
            had[i] = bytes
          })
        }, Effect.scoped)
        yield* Effect.timeoutOption(
          Effect.all([download(0), download(1)], { concurrency: "unbounded" }),
          "30 seconds"
        )
        const total = had[0] + had[1]
        const share = had[0] / total
        expect((total * 8) / 30).toBeGreaterThan(0.9 * bitsPerSecond)
        expect(share).toBeGreaterThan(0.4)
        expect(share).toBeLessThan(0.6)
      })
    )
})
