import { FrameType } from "../../src/wire/FrameType.ts"
/** While flow control blocks a side, neither falls silent. RFC 9000 §4.1, §4.6 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it as test } from "vitest"
import type { TransportOptions } from "../../src/index.ts"
import { pair, pattern, readAll } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"
import { connect, exchange, exchangeFrames, limits, pattern as bytesOf, type Pair } from "./streamPair.ts"

const SIZE = 200_000

const linked = (transport: TransportOptions) =>
  Effect.flatMap(simWorld, (world) => pair(world, { client: { transport }, server: { transport } }))

const narrow: { readonly [what: string]: TransportOptions } = {
  "a stream's window": { streamWindowBytes: 20_000, maxStreamWindowBytes: 20_000 },
  "the connection's window": { connectionWindowBytes: 20_000, maxConnectionWindowBytes: 20_000 }
}

describe("a connection with an idle timeout of 5 s lives", () => {
  // RFC 9000 §4.1 #S2
  for (const [what, transport] of Object.entries(narrow))
    for (const sender of ["near", "far"] as const)
      itSim(`while ${what} keeps its ${sender} end from sending, and for no more packets than it takes`, () =>
        Effect.gen(function* () {
          const ends = yield* linked({ ...transport, maxIdleTimeout: 5000 })
          const [from, to] = sender === "near" ? [ends.near, ends.far] : [ends.far, ends.near]
          const stream = yield* from.openUni
          yield* Effect.forkScoped(Effect.andThen(stream.write(pattern(SIZE)), stream.finish))
          const incoming = yield* to.acceptUni
          yield* Effect.sleep("1 second")
          const before = from.stats.packetsSent
          yield* Effect.sleep("12 seconds")
          // one per 2.5 s
          expect(from.stats.packetsSent - before).toBeLessThan(8)
          expect(yield* readAll(incoming)).toEqual(pattern(SIZE))
        })
      )

  for (const open of ["openBidi", "openUni"] as const)
    itSim(`while somebody waits in ${open}`, () =>
      Effect.gen(function* () {
        const ends = yield* linked({
          maxIdleTimeout: 5000,
          maxBidirectionalStreams: 1,
          maxUnidirectionalStreams: 1
        })
        const first = yield* ends.near[open]
        yield* first.finish
        const waiting = yield* Effect.forkScoped(ends.near[open])
        yield* Effect.sleep("12 seconds")
        const incoming = yield* open === "openBidi" ? ends.far.acceptBidi : ends.far.acceptUni
        yield* readAll(incoming)
        yield* incoming.finish
        if (open === "openBidi") yield* readAll(first)
        expect((yield* Fiber.join(waiting)).id).toBe(first.id + 4)
      })
    )

  itSim("no longer than somebody waits", () =>
    Effect.gen(function* () {
      const ends = yield* linked({ maxIdleTimeout: 5000, maxBidirectionalStreams: 0 })
      expect(yield* Effect.timeoutOption(ends.near.openBidi, "12 seconds")).toMatchObject({ _tag: "None" })
      yield* Effect.sleep("12 seconds")
      expect((yield* Effect.flip(ends.near.openBidi)).reason._tag).toBe("IdleTimeout")
      expect((yield* Effect.flip(ends.far.openBidi)).reason._tag).toBe("IdleTimeout")
    })
  )

  itSim("no longer than its peer does, who cannot be reached any more", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const transport = { ...narrow["a stream's window"], maxIdleTimeout: 5000 }
      const ends = yield* pair(world, { client: { transport }, server: { transport } })
      const stream = yield* ends.near.openUni
      yield* stream.write(pattern(SIZE))
      yield* Effect.sleep("12 seconds")
      world.cable!.set({ lossRate: 1 })
      yield* Effect.sleep("12 seconds")
      expect((yield* Effect.flip(ends.near.openBidi)).reason._tag).toBe("IdleTimeout")
      expect((yield* Effect.flip(ends.far.openBidi)).reason._tag).toBe("IdleTimeout")
    })
  )
})

/** Reads everything available on the server; returns how much that was. */
const readSome = (ends: Pair, id: number): number => {
  let count = 0
  for (
    let bytes = ends.server.streams.read(id, 8000);
    bytes !== undefined;
    bytes = ends.server.streams.read(id, 8000)
  )
    count += bytes.length
  return count
}

describe("a stalled peer is granted whatever is available", () => {
  test("although most of the connection's window is unread in another stream", () => {
    const ends = connect(
      limits(),
      limits({ initialMaxData: 8000, maxConnectionWindowBytes: 8000, initialMaxStreamDataUni: 8000 })
    )
    const [unread, read] = [ends.client.streams.open(true), ends.client.streams.open(true)]
    ends.client.streams.write(unread, bytesOf(unread, 0, 5000))
    exchange(ends)
    ends.client.streams.write(read, bytesOf(read, 0, 6000))
    exchange(ends)
    expect(readSome(ends, read)).toBe(3000)
    // less than half of the window is free, but nothing else would ever free more
    exchange(ends)
    expect(readSome(ends, read)).toBe(3000)
  })

  test("although the reader consumed that before the rest arrived", () => {
    const ends = connect(
      limits(),
      limits({ initialMaxData: 8000, maxConnectionWindowBytes: 8000, initialMaxStreamDataUni: 8000 })
    )
    const [unread, read] = [ends.client.streams.open(true), ends.client.streams.open(true)]
    ends.client.streams.write(read, bytesOf(read, 0, 3000))
    exchange(ends)
    expect(readSome(ends, read)).toBe(3000)
    ends.client.streams.write(unread, bytesOf(unread, 0, 5000))
    exchange(ends)
    ends.client.streams.write(read, bytesOf(read, 3000, 1000))
    exchange(ends)
    expect(readSome(ends, read)).toBe(1000)
  })

  test("a stream, in place of one that ended while it could still open others", () => {
    const ends = connect(limits(), limits({ initialMaxStreamsUni: 100 }))
    const open = (count: number) => {
      for (let i = 0; i < count; i++) {
        const id = ends.client.streams.open(true)
        expect(id).toBeGreaterThanOrEqual(0)
        ends.client.streams.write(id, bytesOf(id, 0, 1))
      }
    }
    open(50)
    ends.client.streams.finish(2)
    exchange(ends)
    ends.server.streams.read(2, 10)
    exchange(ends)
    open(50)
    exchange(ends)
    open(1)
  })

  test("however little, when it reports that it is blocked", () => {
    const ends = connect(limits(), limits({ initialMaxStreamDataUni: 8000, maxStreamWindowBytes: 8000 }))
    const id = ends.client.streams.open(true)
    ends.client.streams.write(id, bytesOf(id, 0, 9000))
    exchange(ends)
    ends.server.streams.read(id, 10)
    expect(exchange(ends)).toBe(0)
    expect(ends.client.streams.stall.isBlocked).toBe(true)
    expect(ends.server.streams.stall.isPeerBlocked).toBe(true)
    ends.server.streams.stall.repeatFrames()
    const frames = exchangeFrames(ends)
    expect(frames).toContainEqual([FrameType.MAX_STREAM_DATA, id, 8010, 0])
    expect(frames).toContainEqual([FrameType.STREAM, id, 8000, 10])
  })
})

describe("a connection blocked by flow control", () => {
  const blocked = () => {
    const ends = connect(limits(), limits({ initialMaxStreamDataUni: 8000, initialMaxStreamsUni: 1 }))
    const id = ends.client.streams.open(true)
    ends.client.streams.write(id, bytesOf(id, 0, 9000))
    exchange(ends)
    return { ...ends, id }
  }

  test("reports it again, each time it is asked to", () => {
    const { client, id } = blocked()
    for (let i = 0; i < 3; i++) {
      client.streams.stall.repeatFrames()
      expect(client.transmit()?.frames).toEqual([[FrameType.STREAM_DATA_BLOCKED, id, 8000, 0]])
      expect(client.streams.hasFrames()).toBe(false)
    }
  })

  test("is no longer blocked once it has reset the stream, nor is its peer", () => {
    const ends = blocked()
    ends.client.streams.reset(ends.id, 1)
    exchange(ends)
    expect(ends.client.streams.stall.isBlocked).toBe(false)
    expect(ends.server.streams.stall.isPeerBlocked).toBe(false)
  })

  test("is no longer blocked once nobody reads the stream", () => {
    const ends = blocked()
    ends.server.streams.stop(ends.id, 1)
    exchange(ends)
    expect(ends.client.streams.stall.isBlocked).toBe(false)
    expect(ends.server.streams.stall.isPeerBlocked).toBe(false)
  })

  test("is blocked on streams only while someone is waiting to open one", () => {
    const ends = blocked()
    readSome(ends, ends.id)
    exchange(ends)
    const { stall } = ends.client.streams
    expect(stall.isBlocked).toBe(false)
    const leave = [ends.client.streams.awaitOpen(true), ends.client.streams.awaitOpen(true)]
    expect(exchangeFrames(ends)).toEqual([[FrameType.STREAMS_BLOCKED_UNI, 1, 0, 0]])
    expect(ends.server.streams.stall.isPeerBlocked).toBe(true)
    leave[0]()
    expect(stall.isBlocked).toBe(true)
    leave[1]()
    expect(stall.isBlocked).toBe(false)
    // the peer cannot know, and must not act forever on an old report
    ends.server.streams.stall.repeatFrames()
    expect(ends.server.streams.stall.isPeerBlocked).toBe(false)
  })
})
