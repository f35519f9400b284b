/** How messages are sent: in order, on their own, until a deadline, only the latest; and whose turn it is. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import type { DatagramOptions, MessageOptions, QuicConnection } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { type PairOptions, pair, pattern, readAll, reasonOf, text } from "./pair.ts"
import { simWorld } from "./World.ts"

const transport = { maxDatagramFrameBytes: 65_535, sendBufferBytes: 65_536 }
const withDatagrams: PairOptions = { client: { transport }, server: { transport } }

/** Two hosts with a link of one megabit per second between them. */
const slowPair = Effect.fnUntraced(function* (options = withDatagrams) {
  const world = yield* simWorld
  const cable = world.cable!
  cable.set({ bitsPerSecond: 1e6, queueBytes: 20_000 })
  return { cable, ...(yield* pair(world, options)) }
})

/** Writes without end to a stream of that priority; the peer reads it, and counts. */
const floodStream = Effect.fnUntraced(function* (near: QuicConnection, far: QuicConnection, priority = 0) {
  const count = { bytes: 0 }
  const stream = yield* near.openUni
  yield* stream.setPriority(priority)
  yield* Effect.forkScoped(Effect.forever(stream.write(new Uint8Array(4_096))))
  const reading = yield* far.acceptUni
  const read = Effect.map(reading.read(), (bytes) => (count.bytes += bytes?.length ?? 0))
  yield* Effect.forkScoped(Effect.forever(read))
  return count
})

/** Sends twice the datagrams that the link carries, each as large as can be; the peer counts what it receives. */
const floodDatagrams = Effect.fnUntraced(function* (
  near: QuicConnection,
  far: QuicConnection,
  options?: DatagramOptions
) {
  const count = { bytes: 0 }
  const send = Effect.suspend(() => near.sendDatagram(new Uint8Array(near.maxDatagramPayloadBytes), options))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(send, Effect.sleep(4))))
  const receive = Effect.map(far.receiveDatagram, (bytes) => (count.bytes += bytes.length))
  yield* Effect.forkScoped(Effect.forever(receive))
  return count
})

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

describe("B9 intents", () => {
  itSim("reliable-ordered: what is written to one stream arrives in that order, whatever is lost", () =>
    Effect.gen(function* () {
      const { near, far, cable } = yield* slowPair()
      cable.set({ lossRate: 0.2 })
      const stream = yield* near.openUni
      yield* Effect.forkScoped(
        Effect.andThen(
          Effect.forEach(upTo(100), (i) => stream.write(new Uint8Array(500).fill(i))),
          stream.finish
        )
      )
      const bytes = yield* readAll(yield* far.acceptUni)
      expect(upTo(100).map((i) => bytes[500 * i])).toEqual(upTo(100))
      expect(near.stats.packetsLost).toBeGreaterThan(0)
    })
  )

  itSim("reliable-unordered: all messages arrive whole, and one that is lost holds up no other", () =>
    Effect.gen(function* () {
      const { near, far, cable } = yield* slowPair({ server: { transport: { maxUnidirectionalStreams: 5 } } })
      cable.set({ lossRate: 0.2 })
      const order: Array<number> = []
      const handle = far.serveStreams((stream) =>
        Effect.map(readAll(stream), (bytes) => {
          order.push(bytes[0])
          expect(bytes.subarray(1)).toEqual(pattern(2_000, bytes[0]))
        })
      )
      yield* Effect.forkScoped(handle)
      for (const i of upTo(50)) yield* near.sendMessage(Uint8Array.of(i, ...pattern(2_000, i)))
      yield* near.close()
      expect(order).not.toEqual(upTo(50))
      expect(order.toSorted((a, b) => a - b)).toEqual(upTo(50))
    })
  )

  itSim("a message that is interrupted while it waits for a stream is not sent, and one may be empty", () =>
    Effect.gen(function* () {
      const { near, far } = yield* slowPair({ server: { transport: { maxUnidirectionalStreams: 1 } } })
      const blocking = yield* near.openUni
      yield* blocking.write(text("blocks"))
      const waiting = yield* Effect.forkChild(near.sendMessage(text("never")))
      yield* Effect.sleep(100)
      yield* Fiber.interrupt(waiting)
      yield* blocking.finish
      expect(yield* readAll(yield* far.acceptUni)).toEqual(text("blocks"))
      yield* near.sendMessage(new Uint8Array(0))
      expect(yield* readAll(yield* far.acceptUni)).toEqual(text(""))
    })
  )

  itSim("realtime: a datagram that cannot leave by its deadline is dropped, and reported then", () =>
    Effect.gen(function* () {
      const { near, far } = yield* slowPair()
      yield* floodStream(near, far, 1)
      yield* Effect.sleep("1 second")
      const [elapsed, fate] = yield* Effect.timed(near.deliverDatagram(text("late"), { deadline: 50 }))
      expect(fate).toBe("expired")
      expect(Duration.toMillis(elapsed)).toBeLessThanOrEqual(51)
      expect(near.stats.sendDatagramsExpired).toBe(1)
      expect(yield* near.deliverDatagram(text("in time"), { deadline: 50, priority: 1 })).toBe("acknowledged")
      expect(yield* far.receiveDatagram).toEqual(text("in time"))
    })
  )

  itSim("realtime: where nothing arrives any more, the deadline passes all the same", () =>
    Effect.gen(function* () {
      const { near, far, cable } = yield* slowPair()
      yield* floodStream(near, far)
      cable.set({ lossRate: 1 })
      yield* Effect.sleep("1 second")
      expect(yield* near.deliverDatagram(text("late"), { deadline: 20.5 })).toBe("expired")
    })
  )

  itSim("latest-only: a newer value takes the place of the one that waits, by key", () =>
    Effect.gen(function* () {
      const { near, far } = yield* slowPair()
      const flood = yield* Effect.forkChild(
        Effect.scoped(Effect.andThen(floodStream(near, far, 1), Effect.never))
      )
      yield* Effect.sleep("1 second")
      const deliver = (value: string, latest: string) =>
        Effect.forkChild(near.deliverDatagram(text(value), { latest }), { startImmediately: true })
      const fates = [
        yield* deliver("a1", "a"),
        yield* deliver("b1", "b"),
        yield* deliver("a2", "a"),
        yield* deliver("a3", "a")
      ]
      yield* Fiber.interrupt(flood)
      expect(yield* far.receiveDatagram).toEqual(text("a3"))
      expect(yield* far.receiveDatagram).toEqual(text("b1"))
      expect(yield* Effect.forEach(fates, Fiber.join)).toEqual([
        "dropped",
        "acknowledged",
        "dropped",
        "acknowledged"
      ])
    })
  )

  itSim("options out of range are refused by name", () =>
    Effect.gen(function* () {
      const { near } = yield* slowPair()
      const wrong: ReadonlyArray<readonly [unknown, string]> = [
        [{ priority: 0.5 }, "priority"],
        [{ deadline: 0 }, "deadline"],
        [{ deadline: Number.NaN }, "deadline"],
        [{ deadline: "-1 seconds" }, "deadline"],
        [{ deadline: "soon" }, "deadline"],
        [{ latest: {} }, "latest"],
        [{ noSuchOption: 1 }, "noSuchOption"],
        [null, "options"]
      ]
      for (const [options, field] of wrong) {
        const given = options as DatagramOptions & MessageOptions
        for (const send of [near.sendDatagram(text("x"), given), near.deliverDatagram(text("x"), given)])
          expect(yield* reasonOf(send)).toMatchObject({ _tag: "InvalidOption", field })
        expect(yield* reasonOf(near.sendMessage(text("x"), given))).toMatchObject({
          _tag: "InvalidOption",
          field
        })
      }
    })
  )
})

describe("B9 priorities on a saturated link", () => {
  itSim("a datagram of higher priority is not starved by a stream", () =>
    Effect.gen(function* () {
      const { near, far } = yield* slowPair()
      const stream = yield* floodStream(near, far)
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 50; i++) {
        yield* near.sendDatagram(Uint8Array.of(i), { priority: 1, deadline: 40 })
        yield* Effect.sleep(20)
      }
      yield* Effect.sleep("1 second")
      expect(near.stats.sendDatagramsExpired).toBeLessThanOrEqual(2)
      expect(stream.bytes).toBeGreaterThan(200_000)
    })
  )

  itSim("nor a stream of higher priority by datagrams", () =>
    Effect.gen(function* () {
      const { near, far } = yield* slowPair()
      const datagrams = yield* floodDatagrams(near, far)
      yield* Effect.sleep("1 second")
      const before = datagrams.bytes
      const stream = yield* floodStream(near, far, 1)
      yield* Effect.sleep("4 seconds")
      expect(before).toBeGreaterThan(60_000)
      expect(stream.bytes).toBeGreaterThan(8 * (datagrams.bytes - before))
    })
  )

  itSim("at equal priorities each has about half", () =>
    Effect.gen(function* () {
      const { near, far } = yield* slowPair()
      const datagrams = yield* floodDatagrams(near, far)
      const stream = yield* floodStream(near, far)
      yield* Effect.sleep("5 seconds")
      expect(stream.bytes + datagrams.bytes).toBeGreaterThan(400_000)
      expect(stream.bytes / datagrams.bytes).toBeGreaterThan(0.6)
      expect(stream.bytes / datagrams.bytes).toBeLessThan(1.6)
    })
  )

  itSim("datagrams of whatever priority do not keep back the credit that the peer needs to send", () =>
    Effect.gen(function* () {
      const { near, far } = yield* slowPair()
      yield* floodDatagrams(near, far, { priority: 9 })
      const back = yield* floodStream(far, near)
      yield* Effect.sleep("20 seconds")
      // far more than the window it began with
      expect(back.bytes).toBeGreaterThan(1_200_000)
    })
  )
})
