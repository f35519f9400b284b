/** Several chunks written as one, and exact reads with put-back. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { type QuicStream, StreamReader } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { concat, pair, type PairOptions, pattern, readAll, reasonOf, text } from "./pair.ts"
import { simWorld } from "./World.ts"

const simPair = (options?: PairOptions) => Effect.flatMap(simWorld, (world) => pair(world, options))

/** A stream from the client to the server, and the server's end of it once there is something to read. */
const oneWay = Effect.fnUntraced(function* (options?: PairOptions) {
  const { near, far } = yield* simPair(options)
  return { out: yield* near.openUni, into: far.acceptUni }
})

const written = Effect.fnUntraced(function* (...chunks: ReadonlyArray<Uint8Array>) {
  const { out, into } = yield* oneWay()
  yield* out.writeAll(chunks)
  return { out, reader: new StreamReader(yield* into, { maxBytes: 100 }) }
})

const ascii = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)

describe("writeAll", () => {
  itSim("joins its chunks: short ones, long ones, empty ones", () =>
    Effect.gen(function* () {
      const { out, into } = yield* oneWay()
      const chunks = [text("header"), new Uint8Array(0), pattern(5_000), text("footer")]
      yield* out.writeAll(chunks)
      yield* out.finish
      const received = yield* readAll(yield* into)
      expect(Buffer.compare(received, concat(chunks))).toBe(0)
    })
  )

  itSim("accepts a total above the send buffer as a whole, once there is room, and then waits", () =>
    Effect.gen(function* () {
      const small: PairOptions = {
        client: { transport: { sendBufferBytes: 2_000 } },
        server: { transport: { streamWindowBytes: 2_000, maxStreamWindowBytes: 2_000 } }
      }
      const { out, into } = yield* oneWay(small)
      const chunk = pattern(4_000)
      yield* out.writeAll([chunk, chunk])
      const second = yield* Effect.forkScoped(out.writeAll([chunk, text("end")]))
      yield* Effect.sleep(1_000)
      expect(second.pollUnsafe()).toBeUndefined()
      const reader = new StreamReader(yield* into)
      expect((yield* reader.readExactly(8_000))?.length).toBe(8_000)
      yield* Fiber.join(second)
      expect(yield* reader.readExactly(4_000)).toEqual(chunk)
      expect(ascii(yield* reader.readExactly(3))).toBe("end")
    })
  )

  itSim("writes nothing if it is interrupted while it waits", () =>
    Effect.gen(function* () {
      const { out, into } = yield* oneWay({ client: { transport: { sendBufferBytes: 2_000 } } })
      yield* out.write(new Uint8Array(2_000))
      const waiting = yield* Effect.forkScoped(out.writeAll([text("ne"), text("ver")]))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(waiting)
      yield* out.finish
      expect((yield* readAll(yield* into)).length).toBe(2_000)
    })
  )

  itSim("refuses what is no array of bytes, and fails as `write` does", () =>
    Effect.gen(function* () {
      const { out } = yield* oneWay()
      for (const bad of ["text", text("bytes"), [text("a"), "b"], undefined, [undefined]])
        expect(yield* reasonOf(out.writeAll(bad as never))).toMatchObject({
          _tag: "InvalidOption",
          field: "chunks"
        })
      yield* out.finish
      expect(yield* reasonOf(out.writeAll([text("late")]))).toMatchObject({ _tag: "StreamClosed" })
      expect(yield* reasonOf(out.writeAll([]))).toMatchObject({ _tag: "StreamClosed" })
    })
  )
})

describe("StreamReader", () => {
  itSim("reads exactly as much as it is asked for, however it arrives", () =>
    Effect.gen(function* () {
      const { out, into } = yield* oneWay()
      const sent = pattern(3_000)
      const send = Effect.gen(function* () {
        for (let at = 0; at < sent.length; at += 7) {
          yield* out.write(sent.subarray(at, at + 7))
          if (at % 5 === 0) yield* Effect.sleep(1)
        }
        yield* out.finish
      })
      yield* Effect.forkScoped(send)
      const reader = new StreamReader(yield* into)
      const parts: Array<Uint8Array> = []
      for (const length of [1, 0, 999, 2, 1_998]) parts.push((yield* reader.readExactly(length))!)
      expect(parts.map(({ length }) => length)).toEqual([1, 0, 999, 2, 1_998])
      expect(concat(parts)).toEqual(sent)
      expect(yield* reader.readExactly(1)).toBeUndefined()
    })
  )

  itSim("says what is missing when the stream ends early, and keeps what has arrived", () =>
    Effect.gen(function* () {
      const { out, reader } = yield* written(text("abc"))
      yield* out.finish
      expect(yield* reasonOf(reader.readExactly(5))).toMatchObject({
        _tag: "StreamEnded",
        wanted: 5,
        arrived: 3
      })
      expect(ascii(yield* reader.readExactly(3))).toBe("abc")
      expect(yield* reader.readExactly(5)).toBeUndefined()
    })
  )

  itSim("gives up in time, and keeps what has arrived", () =>
    Effect.gen(function* () {
      const { out, reader } = yield* written(text("abc"))
      expect(yield* reasonOf(reader.readExactly(5, { within: 300 }))).toMatchObject({
        _tag: "ReadTimeout",
        millis: 300
      })
      yield* out.write(text("de"))
      expect(ascii(yield* reader.readExactly(5, { within: 300 }))).toBe("abcde")
      for (const within of [0, -1, Number.NaN, "-1 seconds", "1" as never] as const)
        expect(yield* reasonOf(reader.readExactly(1, { within }))).toMatchObject({
          _tag: "InvalidOption",
          field: "within"
        })
    })
  )

  itSim("reads integers of every size", () =>
    Effect.gen(function* () {
      const { out, reader } = yield* written(
        new Uint8Array([0x25, 0x7b, 0xbd, 0x9d, 0x7f, 0x3e, 0x7d]),
        new Uint8Array([0xc0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff])
      )
      const next = reader.readVarint({ within: 1_000 })
      expect([yield* next, yield* next, yield* next, yield* next]).toEqual([37, 15_293, 494_878_333, 2 ** 32])
      expect(yield* reasonOf(next)).toMatchObject({ _tag: "ReadTimeout" })
      yield* out.write(new Uint8Array(5).fill(0xff))
      // refused, not rounded
      expect(yield* reasonOf(next)).toMatchObject({ _tag: "ReadLimit", limit: Number.MAX_SAFE_INTEGER })
      yield* reader.readExactly(8)
      yield* out.writeAll([new Uint8Array([0x40])])
      yield* out.finish
      expect(yield* reasonOf(next)).toMatchObject({ _tag: "StreamEnded", wanted: 2, arrived: 1 })
      yield* reader.read()
      expect(yield* next).toBeUndefined()
    })
  )

  itSim("puts back what was read too far, before what comes next", () =>
    Effect.gen(function* () {
      const { out, reader } = yield* written(text("world!"))
      expect(ascii(yield* reader.readExactly(2))).toBe("wo")
      yield* reader.unread(text("wo"))
      yield* reader.unread(text("hello "))
      expect(ascii(yield* reader.read(3))).toBe("hel")
      expect(ascii(yield* reader.readExactly(9))).toBe("lo world!")
      yield* out.finish
      yield* reader.unread(text("again"))
      expect(ascii(concat([...(yield* Stream.runCollect(reader.readable))]))).toBe("again")
    })
  )

  itSim("holds no more than it may: exact reads and what is put back", () =>
    Effect.gen(function* () {
      const { reader } = yield* written(new Uint8Array(200))
      expect(yield* reasonOf(reader.readExactly(101))).toMatchObject({
        _tag: "ReadLimit",
        wanted: 101,
        limit: 100
      })
      yield* reader.unread(new Uint8Array(60))
      expect(yield* reasonOf(reader.unread(new Uint8Array(41)))).toMatchObject({
        _tag: "ReadLimit",
        wanted: 101
      })
      expect(reader.heldBytes).toBe(60)
      for (const maxBytes of [0, 1.5, 2 ** 32])
        expect(() => new StreamReader({} as QuicStream, { maxBytes })).toThrow(RangeError)
    })
  )

  itSim("fails as the stream does", () =>
    Effect.gen(function* () {
      const { out, reader } = yield* written(text("abc"))
      yield* reader.readExactly(1)
      yield* out.reset(7)
      expect(yield* reasonOf(reader.readExactly(5))).toMatchObject({ _tag: "StreamReset", code: 7 })
    })
  )

  itSim("reserves nothing for a length alone", () =>
    Effect.gen(function* () {
      const { out, into } = yield* oneWay()
      yield* out.write(text("x"))
      const reader = new StreamReader(yield* into, { maxBytes: 2 ** 30 })
      const before = process.memoryUsage().arrayBuffers
      yield* Effect.forkScoped(reader.readExactly(2 ** 28))
      yield* Effect.sleep(100)
      yield* out.write(text("y"))
      yield* Effect.sleep(100)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024)
    })
  )
})
