/** Channels of datagrams: the latest value only, or what is in time. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { codecOf } from "../../src/channels/codec.ts"
import { datagramOf, datagramPrefixOf, hashOf } from "../../src/channels/preamble.ts"
import { Channels } from "../../src/index.ts"
import { type PairOptions, pair, reasonOf, text } from "../api/pair.ts"
import { live, simulated } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"
import { simPair } from "./world.ts"

const beacon = Channels.make("beacon", {
  channels: {
    watermark: { direction: "serverToClient", message: Schema.Int, intent: "latest" },
    beats: {
      direction: "both",
      message: Schema.Uint8Array,
      intent: "realtime",
      deadline: 50,
      priority: 1
    }
  }
})

const transport = { maxDatagramFrameBytes: 65_535 }
const withDatagrams: PairOptions = { client: { transport }, server: { transport } }

const both = Effect.fnUntraced(function* (options = withDatagrams) {
  const all = yield* simPair(options)
  const client = yield* Channels.client(beacon, all.near)
  const server = yield* Channels.server(beacon, all.far)
  return { ...all, client, server }
})

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

/** A datagram of the server's watermark, as it could have been sent. */
const watermark = (epoch: number, sequence: number, message: Uint8Array, version = 1) => {
  const header = { version, oldest: version, channelId: hashOf("watermark"), epoch, sequence }
  return datagramOf(header, message)
}

/** As the sender of a watermark encodes it. */
const encodedInt = (value: number) =>
  Effect.map(Effect.orDie(codecOf(Schema.Int, "binary").encode(value)), (bytes) => bytes.slice())

describe("C4: a latest-only channel", () => {
  for (const universe of [live, simulated])
    universe.it(`delivers the newest value, ${universe.name}`, (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, withDatagrams)
        const client = yield* Channels.client(beacon, near)
        const server = yield* Channels.server(beacon, far)
        yield* server.watermark.send(1)
        expect(yield* client.watermark.receive()).toBe(1)
        for (const value of [2, 3, 4]) yield* server.watermark.send(value)
        // those before it were replaced, or are received in order
        const seen = yield* Stream.runCollect(
          Stream.takeUntil(client.watermark.messages, (value) => value === 4)
        )
        expect([...seen]).toEqual([...seen].sort())
      })
    )

  itSim(
    "never goes back, whatever is lost and overtaken on the way",
    () =>
      Effect.gen(function* () {
        const { cable, client, server } = yield* both()
        cable.set({ lossRate: 0.2, duplicateRate: 0.1, reorderRate: 0.3, reorderMillis: 40 })
        yield* Effect.forkScoped(
          Effect.forEach(upTo(500), (value) => Effect.andThen(server.watermark.send(value), Effect.sleep(3)))
        )
        const seen: Array<number> = []
        for (;;) {
          const next = yield* client.watermark.receive({ timeout: 1_000 })
          if (Option.isNone(next)) break
          seen.push(next.value)
        }
        expect(seen.length).toBeGreaterThan(100)
        expect(seen).toEqual([...seen].sort((a, b) => a - b))
        expect(new Set(seen).size).toBe(seen.length)
        expect(yield* client.watermark.discarded).toBeGreaterThan(0)
      }),
    { seeds: 3 }
  )

  itSim("keeps one value for a receiver that is late, and it is the newest", () =>
    Effect.gen(function* () {
      const { client, server } = yield* both()
      for (const value of upTo(100)) {
        yield* server.watermark.send(value)
        yield* Effect.sleep(1)
      }
      yield* Effect.sleep(100)
      expect(yield* client.watermark.receive()).toBe(99)
      expect((yield* client.watermark.receive({ timeout: 100 }))._tag).toBe("None")
    })
  )

  itSim("discards what is stale, malformed, of no channel, or of an incompatible version", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair(withDatagrams)
      const client = yield* Channels.client(beacon, near)
      const raw = yield* far.claimDatagrams(datagramPrefixOf(hashOf("beacon")))
      const [one, two, three] = [yield* encodedInt(1), yield* encodedInt(2), yield* encodedInt(3)]
      yield* raw.send(watermark(7, 5, two))
      yield* raw.send(watermark(7, 4, one))
      yield* raw.send(watermark(7, 5, one))
      yield* raw.send(watermark(7, 6, text("no number")))
      yield* raw.send(watermark(7, 7, three, 2))
      yield* raw.send(watermark(7, 8, three).subarray(0, 9))
      yield* raw.send(new Uint8Array(0))
      yield* Effect.sleep(100)
      expect(yield* client.watermark.receive()).toBe(2)
      expect((yield* client.watermark.receive({ timeout: 100 }))._tag).toBe("None")
      // two were stale, and one did not decode
      expect(yield* client.watermark.discarded).toBe(3)
      // the numbers of other handles begin anew
      yield* raw.send(watermark(8, 1, one))
      expect(yield* client.watermark.receive()).toBe(1)
    })
  )
})

describe("C1: a realtime channel", () => {
  itSim("drops what could not be sent within its deadline", () =>
    Effect.gen(function* () {
      const { cable, client, server } = yield* both()
      yield* client.beats.send(text("first"))
      yield* server.beats.receive()
      cable.set({ bitsPerSecond: 1e6, queueBytes: 5_000 })
      yield* Effect.forkScoped(
        Effect.forEach(upTo(400), (i) =>
          Effect.andThen(client.beats.send(new Uint8Array(1_000).fill(i)), Effect.sleep(4))
        )
      )
      let received = 0
      while (Option.isSome(yield* server.beats.receive({ timeout: 500 }))) received++
      // the link carries half of them
      expect(received).toBeGreaterThan(100)
      expect(received).toBeLessThan(250)
    })
  )

  itSim("tells what becomes of a message: acknowledged, lost, expired, or replaced by a newer one", () =>
    Effect.gen(function* () {
      const { cable, client, server } = yield* both()
      expect(yield* client.beats.deliver(text("beat"))).toBe("acknowledged")
      cable.set({ bitsPerSecond: 1e5, queueBytes: 5_000 })
      const fates = yield* Effect.all(
        upTo(40).map((i) => client.beats.deliver(new Uint8Array(1_000).fill(i))),
        { concurrency: "unbounded" }
      )
      expect(fates.at(-1)).toBe("expired")
      const marks = yield* Effect.all(
        upTo(40).map((i) => server.watermark.deliver(i)),
        { concurrency: "unbounded" }
      )
      expect(marks.at(-1)).toBe("acknowledged")
      expect(marks.filter((fate) => fate === "dropped").length).toBeGreaterThan(0)
      cable.set({ lossRate: 1 })
      const lost = yield* Effect.forkScoped(client.beats.deliver(text("beat")))
      yield* Effect.sleep(100)
      cable.set({ lossRate: 0 })
      yield* client.beats.send(text("beat"))
      expect(yield* Fiber.join(lost)).toBe("lost")
    })
  )

  itSim("keeps 256 KiB for a receiver that is late, the newest ones", () =>
    Effect.gen(function* () {
      const { client, server } = yield* both()
      for (const i of upTo(600)) {
        yield* client.beats.send(new Uint8Array(1_000).fill(i))
        yield* Effect.sleep(2)
      }
      yield* Effect.sleep(100)
      let received = 0
      let last: Uint8Array | undefined
      for (;;) {
        const next = yield* server.beats.receive({ timeout: 10 })
        if (Option.isNone(next)) break
        received++
        last = next.value
      }
      expect(received).toBe(Math.floor(262_144 / 1_064))
      expect(yield* server.beats.discarded).toBe(600 - received)
      expect(last?.[0]).toBe(599 % 256)
    })
  )

  itSim("fails a message that is too large for a datagram; the next one is sent", () =>
    Effect.gen(function* () {
      const { client, server } = yield* both()
      expect(yield* reasonOf(client.beats.send(new Uint8Array(60_000)))).toMatchObject({
        _tag: "DatagramRefused"
      })
      yield* client.beats.send(text("beat"))
      expect(yield* server.beats.receive()).toEqual(text("beat"))
    })
  )

  itSim("fails every message if the peer accepts no datagrams", () =>
    Effect.gen(function* () {
      const { client } = yield* both({})
      expect(yield* reasonOf(client.beats.send(text("beat")))).toMatchObject({ _tag: "DatagramRefused" })
    })
  )

  itSim("fails whoever receives if this side accepts no datagrams; other channels are not concerned", () =>
    Effect.gen(function* () {
      const mixed = Channels.make("mixed", {
        channels: {
          beats: { direction: "clientToServer", message: Schema.Int, intent: "realtime" },
          words: { direction: "clientToServer", message: Schema.String }
        }
      })
      const { near, far } = yield* simPair({ client: { transport } })
      const client = yield* Channels.client(mixed, near)
      const server = yield* Channels.server(mixed, far)
      const reason = yield* reasonOf(server.beats.receive())
      expect(reason).toMatchObject({ _tag: "DatagramRefused" })
      expect(reason.message).toContain("this side accepts no datagrams")
      yield* client.words.send("heard")
      expect(yield* server.words.receive()).toBe("heard")
    })
  )

  itSim("is closed as others are: `messages` end, and nothing more is sent", () =>
    Effect.gen(function* () {
      const { client, server } = yield* both()
      yield* client.beats.send(text("beat"))
      yield* Effect.sleep(50)
      yield* client.beats.close
      expect((yield* Stream.runCollect(server.beats.messages)).length).toBe(1)
      expect(yield* reasonOf(client.beats.send(text("late")))).toMatchObject({
        outcome: "Closed",
        side: "here"
      })
      yield* server.beats.send(text("the other way"))
      expect(new TextDecoder().decode(yield* client.beats.receive())).toBe("the other way")
    })
  )
})
