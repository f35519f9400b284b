/** What streams guarantee to an application. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import type { QuicStream } from "../../src/index.ts"
import { concat, endpoints, pair, pattern, quietly, readAll, readText, reasonOf, text } from "./pair.ts"
import type { Universe } from "./World.ts"

const echo = (stream: QuicStream) => Stream.run(stream.readable, stream.writable)

/** Everything that can be read before the stream fails, and the failure. */
const readToReset = Effect.fnUntraced(function* (stream: QuicStream) {
  const chunks: Array<Uint8Array> = []
  const reason = yield* reasonOf(
    Effect.forever(Effect.map(stream.read(), (chunk) => chunks.push(chunk ?? new Uint8Array(0))))
  )
  return { bytes: concat(chunks), reason }
})

export const streamBehaviour = ({ it }: Universe): void => {
  describe("streams", () => {
    it("echo what is written, to the end", (world) =>
      Effect.gen(function* () {
        const { server, client, connectOptions } = yield* endpoints(world)
        yield* Effect.forkScoped(server.serveStreams(echo))
        const connection = yield* client.connect(connectOptions)
        const stream = yield* connection.openBidi
        yield* stream.write(text("hello "))
        yield* stream.write(text("world"))
        yield* stream.finish
        expect(yield* readText(stream)).toBe("hello world")
        yield* stream.finished
      }))

    it("that go one way carry data one way only", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const out = yield* near.openUni
        yield* out.write(text("one way"))
        yield* out.finish
        const into = yield* far.acceptUni
        expect(into.isUnidirectional).toBe(true)
        expect(yield* readText(into)).toBe("one way")
        expect(yield* reasonOf(into.write(text("back")))).toMatchObject({ _tag: "StreamClosed" })
        expect(yield* reasonOf(out.read())).toMatchObject({ _tag: "StreamClosed" })
      }))

    it("can be opened by the server, too", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const asked = yield* far.openBidi
        yield* asked.write(text("who are you?"))
        const asking = yield* near.acceptBidi
        yield* asking.write(text("the client"))
        yield* asking.finish
        expect(yield* readText(asked)).toBe("the client")
      }))

    it("carry a large transfer unchanged", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const sent = pattern(3_000_000)
        const stream = yield* near.openUni
        yield* Effect.forkScoped(Effect.andThen(stream.write(sent), stream.finish))
        const received = yield* readAll(yield* far.acceptUni)
        expect(Buffer.compare(received, sent)).toBe(0)
      }))

    it("run by the thousand at once, more than the peer allows to be open", (world) =>
      Effect.gen(function* () {
        const { server, client, connectOptions } = yield* endpoints(world, {
          server: { transport: { maxBidirectionalStreams: 128 } }
        })
        yield* Effect.forkScoped(server.serveStreams(echo))
        const connection = yield* client.connect(connectOptions)
        const answers = yield* Effect.forEach(
          Array.from({ length: 1000 }, (_, i) => i),
          (i) =>
            Effect.gen(function* () {
              const stream = yield* connection.openBidi
              yield* stream.write(text(`stream ${i}`))
              yield* stream.finish
              return yield* readText(stream)
            }).pipe(Effect.scoped),
          { concurrency: "unbounded" }
        )
        expect(answers).toEqual(Array.from({ length: 1000 }, (_, i) => `stream ${i}`))
      }))

    it("make the writer wait for a slow reader", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          client: { transport: { sendBufferBytes: 20_000 } },
          server: { transport: { streamWindowBytes: 30_000, maxStreamWindowBytes: 30_000 } }
        })
        const stream = yield* near.openUni
        const chunk = new Uint8Array(10_000)
        let accepted = 0
        const writing = yield* Effect.forkScoped(
          Effect.forever(
            Effect.andThen(
              stream.write(chunk),
              Effect.sync(() => {
                accepted += chunk.length
              })
            )
          )
        )
        const reader = yield* far.acceptUni
        yield* Effect.sleep("300 millis")
        // the receive window, the send buffer, and the one write that overfills it
        expect(accepted).toBeLessThanOrEqual(30_000 + 20_000 + 10_000)
        const before = accepted
        let read = 0
        while (read < 25_000) read += (yield* reader.read(5_000))!.length
        yield* Effect.sleep("300 millis")
        expect(accepted).toBeGreaterThan(before)
        expect(accepted).toBeLessThanOrEqual(read + 30_000 + 20_000 + 10_000)
        yield* Fiber.interrupt(writing)
      }))

    it("accept no more from tryWrite than the send buffer takes", (world) =>
      Effect.gen(function* () {
        const { near } = yield* pair(world, {
          client: { transport: { sendBufferBytes: 5_000 } },
          server: { transport: { streamWindowBytes: 1_200, maxStreamWindowBytes: 1_200 } }
        })
        const stream = yield* near.openUni
        expect(yield* stream.tryWrite(new Uint8Array(4_000))).toBe(4_000)
        expect(yield* stream.tryWrite(new Uint8Array(4_000))).toBe(1_000)
        expect(yield* stream.tryWrite(new Uint8Array(4_000))).toBe(0)
      }))

    // RFC 9000 §11.2
    it("that are reset fail the peer's reads with the code", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const stream = yield* near.openBidi
        yield* stream.write(text("x"))
        const peer = yield* far.acceptBidi
        yield* peer.read()
        yield* stream.reset(77)
        expect(yield* reasonOf(peer.read())).toEqual(
          expect.objectContaining({ _tag: "StreamReset", streamId: stream.id, code: 77 })
        )
        // the other direction is unaffected
        yield* peer.write(text("still here"))
        yield* peer.finish
        expect(yield* readText(stream)).toBe("still here")
        expect(yield* reasonOf(stream.write(text("y")))).toMatchObject({ _tag: "StreamClosed" })
        expect(yield* reasonOf(stream.finished)).toMatchObject({ _tag: "StreamClosed" })
      }))

    it("that are reset with bytes to deliver hand the peer these, and then the code", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          server: { transport: { streamWindowBytes: 10_000, maxStreamWindowBytes: 10_000 } }
        })
        const stream = yield* near.openUni
        const written = pattern(50_000)
        yield* stream.write(written)
        yield* stream.reset(9, { deliver: 30_000 })
        expect(yield* reasonOf(stream.write(text("y")))).toMatchObject({ _tag: "StreamClosed" })
        const peer = yield* far.acceptUni
        const { bytes, reason } = yield* readToReset(peer)
        expect(Buffer.compare(bytes, written.subarray(0, 30_000))).toBe(0)
        expect(reason).toMatchObject({ _tag: "StreamReset", code: 9 })
      }))

    it("deliver all that was written before a reset, if asked to, even if their handler then fails", (world) =>
      Effect.gen(function* () {
        const { server, client, connectOptions } = yield* endpoints(world)
        const written = pattern(200_000)
        yield* Effect.forkScoped(
          server.serveStreams((stream) =>
            Effect.gen(function* () {
              yield* stream.write(written)
              yield* stream.reset(5, { deliver: Number.POSITIVE_INFINITY })
              return yield* Effect.fail("the source broke down")
            })
          )
        )
        const connection = yield* client.connect(connectOptions)
        const stream = yield* connection.openBidi
        yield* stream.write(text("?"))
        const { bytes, reason } = yield* readToReset(stream)
        expect(Buffer.compare(bytes, written)).toBe(0)
        expect(reason).toMatchObject({ _tag: "StreamReset", code: 5 })
      }).pipe(quietly))

    it("take no reset that delivers less than nothing, or parts of bytes", (world) =>
      Effect.gen(function* () {
        const { near } = yield* pair(world)
        const stream = yield* near.openUni
        for (const deliver of [-1, 1.5, Number.NaN])
          expect(yield* reasonOf(stream.reset(1, { deliver }))).toMatchObject({
            _tag: "InvalidOption",
            field: "deliver"
          })
        yield* stream.write(text("still open"))
      }))

    it("that are stopped fail the peer's writes with the code, also one that waits", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          client: { transport: { sendBufferBytes: 1_200 } },
          server: { transport: { streamWindowBytes: 1_200, maxStreamWindowBytes: 1_200 } }
        })
        const stream = yield* near.openBidi
        yield* stream.write(new Uint8Array(3_000))
        const waiting = yield* Effect.forkScoped(reasonOf(stream.write(new Uint8Array(2_000))))
        const peer = yield* far.acceptBidi
        yield* Effect.sleep("50 millis")
        yield* peer.stop(33)
        expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "StreamStopped", code: 33 })
        expect(yield* reasonOf(stream.write(text("more")))).toMatchObject({
          _tag: "StreamStopped",
          streamId: stream.id,
          code: 33
        })
        expect(yield* reasonOf(stream.finished)).toMatchObject({ _tag: "StreamStopped", code: 33 })
        expect(yield* reasonOf(peer.read())).toMatchObject({ _tag: "StreamClosed" })
        // the other direction is unaffected
        yield* peer.write(text("bye"))
        yield* peer.finish
        expect(yield* readText(stream)).toBe("bye")
      }))

    it("can be reset and stopped by the server", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const stream = yield* near.openBidi
        yield* stream.write(text("x"))
        const peer = yield* far.acceptBidi
        yield* peer.reset(5)
        yield* peer.stop(6)
        expect(yield* reasonOf(stream.read())).toMatchObject({ _tag: "StreamReset", code: 5 })
        const stopped = yield* reasonOf(
          Effect.forever(Effect.andThen(stream.write(text("y")), Effect.sleep("5 millis")))
        )
        expect(stopped).toMatchObject({ _tag: "StreamStopped", code: 6 })
      }))

    it("are finished once the peer has acknowledged everything, not before", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          server: { transport: { streamWindowBytes: 10_000, maxStreamWindowBytes: 10_000 } }
        })
        const stream = yield* near.openUni
        yield* stream.write(pattern(15_000))
        yield* stream.finish
        const early = yield* Effect.timeoutOption(stream.finished, "200 millis")
        expect(Option.isNone(early)).toBe(true)
        yield* Effect.forkScoped(readAll(yield* far.acceptUni))
        yield* stream.finished
        expect(yield* reasonOf(stream.write(text("late")))).toMatchObject({ _tag: "StreamClosed" })
      }))

    it("end empty when nothing was written", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const stream = yield* near.openUni
        yield* stream.finish
        expect(yield* (yield* far.acceptUni).read()).toBeUndefined()
      }))

    it("are finished by a scope that succeeds", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        yield* Effect.scoped(Effect.flatMap(near.openUni, (stream) => stream.write(text("all of it"))))
        expect(yield* readText(yield* far.acceptUni)).toBe("all of it")
      }))

    it("are reset by a scope that fails", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        yield* Effect.flatMap(near.openBidi, (stream) =>
          Effect.andThen(stream.write(text("part of it")), Effect.fail("changed my mind"))
        ).pipe(Effect.scoped, Effect.ignore)
        const peer = yield* far.acceptBidi
        expect(yield* reasonOf(readAll(peer))).toMatchObject({ _tag: "StreamReset", code: 0 })
      }))

    it("are reset and stopped by a scope that is interrupted", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const using = yield* Effect.forkScoped(
          Effect.scoped(
            Effect.flatMap(near.openBidi, (stream) =>
              Effect.andThen(stream.write(text("part of it")), Effect.never)
            )
          )
        )
        const peer = yield* far.acceptBidi
        yield* Fiber.interrupt(using)
        expect(yield* reasonOf(readAll(peer))).toMatchObject({ _tag: "StreamReset" })
        const stopped = yield* reasonOf(
          Effect.forever(Effect.andThen(peer.write(text("y")), Effect.sleep("5 millis")))
        )
        expect(stopped).toMatchObject({ _tag: "StreamStopped" })
      }))

    it("lose nothing when a read is interrupted", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const stream = yield* near.openUni
        yield* stream.write(text("a"))
        const peer = yield* far.acceptUni
        yield* peer.read()
        const reading = yield* Effect.forkScoped(peer.read())
        yield* Effect.sleep("20 millis")
        yield* Fiber.interrupt(reading)
        yield* stream.write(text("bc"))
        yield* stream.finish
        expect(yield* readText(peer)).toBe("bc")
      }))

    it("are read into memory of the reader's, where what other reads handed out stays as it was", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const size = 400_000
        const send = (seed: number) =>
          Effect.flatMap(near.openUni, (stream) =>
            Effect.andThen(stream.write(pattern(size, seed)), stream.finish)
          )
        for (const seed of [1, 2, 3]) yield* Effect.forkScoped(send(seed))
        const read = Effect.fnUntraced(function* (stream: QuicStream, isMixed: boolean) {
          const into = new Uint8Array(30_000)
          const parts: Array<Uint8Array> = []
          for (let turn = 0; ; turn++) {
            if (isMixed && turn % 3 === 0) {
              const bytes = yield* stream.read(20_000)
              if (bytes === undefined) return concat(parts)
              // kept as it is: its memory is not used for anything else
              parts.push(bytes)
              continue
            }
            const length = yield* stream.readInto(into)
            if (length === undefined) return concat(parts)
            expect(length).toBeGreaterThan(0)
            parts.push(into.slice(0, length))
            into.fill(0)
          }
        })
        const incoming = [yield* far.acceptUni, yield* far.acceptUni, yield* far.acceptUni]
        const all = yield* Effect.all(
          incoming.map((stream, i) => read(stream, i > 0)),
          { concurrency: "unbounded" }
        )
        const digests = (arrays: ReadonlyArray<Uint8Array>) =>
          arrays.map((bytes) => Buffer.from(bytes).toString("latin1")).sort()
        expect(digests(all)).toEqual(digests([1, 2, 3].map((seed) => pattern(size, seed))))
      }))

    it("fail to be read into memory as they fail to be read", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const stream = yield* near.openBidi
        yield* stream.write(text("abc"))
        const peer = yield* far.acceptBidi
        const into = new Uint8Array(2)
        expect(yield* peer.readInto(into)).toBe(2)
        expect(into).toEqual(text("ab"))
        expect(yield* peer.readInto(into)).toBe(1)
        expect(into).toEqual(text("cb"))
        yield* peer.reset(5)
        expect(yield* reasonOf(stream.readInto(into))).toMatchObject({ _tag: "StreamReset", code: 5 })
        yield* stream.finish
        expect(yield* peer.readInto(into)).toBeUndefined()
        expect(yield* reasonOf((yield* near.openUni).readInto(into))).toMatchObject({ _tag: "StreamClosed" })
        expect(into).toEqual(text("cb"))
      }))

    it("hand over a message wholly or not at all when a write is interrupted", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          client: { transport: { sendBufferBytes: 1_200 } },
          server: { transport: { streamWindowBytes: 1_200, maxStreamWindowBytes: 1_200 } }
        })
        const stream = yield* near.openUni
        yield* stream.write(new Uint8Array(3_000).fill(1))
        const writing = yield* Effect.forkScoped(stream.write(new Uint8Array(3_000).fill(2)))
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(writing)
        yield* Effect.forkScoped(Effect.andThen(stream.write(new Uint8Array(10).fill(3)), stream.finish))
        const received = yield* readAll(yield* far.acceptUni)
        expect(
          Buffer.compare(received, concat([new Uint8Array(3_000).fill(1), new Uint8Array(10).fill(3)]))
        ).toBe(0)
      }))

    it("lose nobody when open and accept are interrupted", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          server: { transport: { maxBidirectionalStreams: 1 } }
        })
        const accepting = yield* Effect.forkScoped(Effect.scoped(far.acceptBidi))
        yield* Effect.sleep("20 millis")
        yield* Fiber.interrupt(accepting)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const first = yield* near.openBidi
            yield* first.write(text("first"))
            const opening = yield* Effect.forkScoped(Effect.scoped(near.openBidi))
            yield* Effect.sleep("20 millis")
            yield* Fiber.interrupt(opening)
            const accepted = yield* far.acceptBidi
            expect(new TextDecoder().decode(yield* accepted.read())).toBe("first")
          })
        )
        const second = yield* near.openBidi
        yield* second.write(text("second"))
        const peer = yield* far.acceptBidi
        expect(peer.id).toBe(4)
        expect(new TextDecoder().decode(yield* peer.read())).toBe("second")
      }))

    // RFC 9000 §2.3 #S1
    it("of a higher priority go first", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const low = yield* near.openUni
        const high = yield* near.openUni
        yield* high.setPriority(10)
        yield* low.write(pattern(400_000))
        yield* high.write(pattern(400_000))
        yield* Effect.all([low.finish, high.finish])
        const order: Array<string> = []
        const drain = (stream: QuicStream) =>
          Effect.andThen(
            readAll(stream),
            Effect.sync(() => order.push(stream.id === high.id ? "high" : "low"))
          )
        const peers = [yield* far.acceptUni, yield* far.acceptUni]
        yield* Effect.forEach(peers, drain, { concurrency: "unbounded", discard: true })
        expect(order).toEqual(["high", "low"])
      }))

    it("that a handler fails are reset alone: the others go on", (world) =>
      Effect.gen(function* () {
        const { server, client, connectOptions } = yield* endpoints(world)
        yield* Effect.forkScoped(
          server.serveStreams((stream) =>
            Effect.gen(function* () {
              const first = yield* stream.read(1)
              if (first?.[0] === 1) return yield* Effect.fail("refused")
              if (first?.[0] === 2) return yield* Effect.die(new Error("a defect in a handler"))
              yield* stream.write(text("fine"))
              yield* stream.finish
            })
          )
        )
        const connection = yield* client.connect(connectOptions)
        const ask = (byte: number) =>
          Effect.gen(function* () {
            const stream = yield* connection.openBidi
            yield* stream.write(Uint8Array.of(byte))
            return yield* readText(stream)
          })
        const good = yield* Effect.forkScoped(Effect.scoped(ask(0)))
        expect(yield* reasonOf(ask(1))).toMatchObject({ _tag: "StreamReset" })
        expect(yield* reasonOf(ask(2))).toMatchObject({ _tag: "StreamReset" })
        expect(yield* Fiber.join(good)).toBe("fine")
        expect(yield* Effect.scoped(ask(0))).toBe("fine")
      }).pipe(quietly))
  })
}
