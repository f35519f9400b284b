/** A channel that fills the link, and heartbeats beside it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { Channels } from "../../src/index.ts"
import type { PairOptions } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { simPair } from "./world.ts"

const RTT_MILLIS = 20
const BEATS = 500

const replication = Channels.make("replication", {
  channels: {
    log: { direction: "clientToServer", message: Schema.Uint8Array },
    beats: { direction: "clientToServer", message: Schema.Number, priority: 1 },
    realtime: { direction: "clientToServer", message: Schema.Number, priority: 1, intent: "realtime" }
  }
})

const transport = { maxDatagramFrameBytes: 65_535 }
const options: PairOptions = { client: { transport }, server: { transport } }

/** How long heartbeats take, shortest first, in milliseconds, and how many bytes of the log have arrived meanwhile. */
const beatsBeside = Effect.fnUntraced(function* (channel: "beats" | "realtime", isLoaded: boolean) {
  const { cable, near, far } = yield* simPair(options)
  // a queue of one bandwidth-delay product
  cable.set({ bitsPerSecond: 1e7, queueBytes: 25_000 })
  const client = yield* Channels.client(replication, near)
  const server = yield* Channels.server(replication, far)
  const log = { bytes: 0 }
  yield* Effect.forkScoped(
    Stream.runForEach(server.log.messages, ({ length }) => Effect.sync(() => (log.bytes += length)))
  )
  if (isLoaded) yield* Effect.forkScoped(Effect.forever(client.log.send(new Uint8Array(10_000))))
  yield* Effect.sleep(2_000)
  log.bytes = 0
  const send = Effect.flatMap(Clock.currentTimeMillis, (now) => client[channel].send(now))
  yield* Effect.forkScoped(
    Effect.forEach(Array.from({ length: BEATS }), () => Effect.andThen(send, Effect.sleep(10)))
  )
  const delays: Array<number> = []
  yield* server[channel].messages.pipe(
    Stream.take(isLoaded && channel === "realtime" ? BEATS * 0.99 : BEATS),
    Stream.runForEach((sent) => Effect.map(Clock.currentTimeMillis, (now) => delays.push(now - sent)))
  )
  return { delays: delays.sort((a, b) => a - b), log }
})

const p99 = (delays: ReadonlyArray<number>): number => delays[Math.ceil(delays.length * 0.99) - 1]

describe("C3: with the log channel saturated", () => {
  for (const channel of ["beats", "realtime"] as const) {
    itSim(`${channel}: unloaded, a heartbeat takes half a round trip`, () =>
      Effect.gen(function* () {
        const { delays } = yield* beatsBeside(channel, false)
        expect(p99(delays)).toBeLessThanOrEqual(RTT_MILLIS / 2 + 1)
      })
    )

    itSim(`${channel}: the p99 of a heartbeat stays within 2 RTT of that, and the log fills the link`, () =>
      Effect.gen(function* () {
        const { delays, log } = yield* beatsBeside(channel, true)
        expect(p99(delays)).toBeLessThanOrEqual(RTT_MILLIS / 2 + 1 + 2 * RTT_MILLIS)
        // 5 s at 10 Mbit/s
        expect(log.bytes).toBeGreaterThan(5.4e6)
      })
    )
  }
})
