/** What a peer can send wrong: each is bounded, has its own error on both sides, and ends its channel only. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect } from "vitest"
import { frameOf } from "../../src/channels/frames.ts"
import { hashOf, preambleOf } from "../../src/channels/preamble.ts"
import { carrierErrorCodes, Channels, type QuicConnection, type QuicError } from "../../src/index.ts"
import { quietly, reasonOf, text } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { both, link, simPair } from "./world.ts"

const codes = Channels.channelErrorCodes

const preamble = (
  channel: string,
  options: { set?: string; version?: number; oldest?: number; kind?: number } = {}
) =>
  preambleOf(hashOf(options.set ?? "link"), {
    version: options.version ?? 3,
    oldest: options.oldest ?? 2,
    kind: options.kind ?? 0,
    channelId: hashOf(channel)
  })

/** Sends the bytes on a stream of its own, and returns the code with which the peer stops it. */
const stoppedWith = (near: QuicConnection, ...chunks: ReadonlyArray<Uint8Array>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* near.openUni
      yield* stream.writeAll(chunks)
      const reason = yield* reasonOf(stream.finished)
      return reason._tag === "StreamStopped" ? reason.code : reason
    })
  )

/** The server's handles, and a client that speaks for itself. */
const hostile = Effect.gen(function* () {
  const all = yield* simPair()
  const server = yield* Channels.server(link, all.far)
  /** The other channels go on. */
  const othersGoOn = Effect.gen(function* () {
    const stream = yield* all.near.openUni
    const message = Uint8Array.of(1, 2, 3)
    yield* stream.writeAll([preamble("blobs"), frameOf(message)])
    expect(yield* server.blobs.receive()).toEqual(message)
  })
  return { ...all, server, othersGoOn }
})

describe("C1: a preamble", () => {
  itSim("with a bad magic is nobody's: the stream is stopped, and not read", () =>
    Effect.gen(function* () {
      const { near, othersGoOn } = yield* hostile
      expect(yield* stoppedWith(near, text("ECH2"), preamble("log").subarray(4))).toBe(
        carrierErrorCodes.unclaimed
      )
      yield* othersGoOn
    })
  )

  itSim("of an unknown channel is refused", () =>
    Effect.gen(function* () {
      const { near, othersGoOn } = yield* hostile
      expect(yield* stoppedWith(near, preamble("heartbeat"))).toBe(codes.unknownChannel)
      yield* othersGoOn
    })
  )

  itSim("of a channel in the other direction is refused", () =>
    Effect.gen(function* () {
      const { near, othersGoOn } = yield* hostile
      expect(yield* stoppedWith(near, preamble("acks"))).toBe(codes.wrongDirection)
      yield* othersGoOn
    })
  )

  itSim("of an incompatible version is refused, and whoever receives learns why, once", () =>
    Effect.gen(function* () {
      const { near, server, othersGoOn } = yield* hostile
      for (let i = 0; i < 50; i++) {
        expect(yield* stoppedWith(near, preamble("log", { version: 1, oldest: 1 }))).toBe(
          codes.incompatibleVersion
        )
        expect(yield* stoppedWith(near, preamble("log", { version: 9, oldest: 4 }))).toBe(
          codes.incompatibleVersion
        )
      }
      expect(yield* reasonOf(server.log.receive())).toMatchObject({
        _tag: "ChannelFailed",
        outcome: "IncompatibleVersion",
        channel: "log",
        side: "here"
      })
      expect((yield* server.log.receive({ timeout: 100 }))._tag).toBe("None")
      yield* othersGoOn
    })
  )

  itSim("of a channel that is already open is refused, and the first goes on", () =>
    Effect.gen(function* () {
      const { near, server } = yield* hostile
      const first = yield* near.openUni
      yield* first.writeAll([preamble("blobs"), frameOf(Uint8Array.of(1))])
      expect(yield* stoppedWith(near, preamble("blobs"), frameOf(Uint8Array.of(9)))).toBe(codes.duplicate)
      yield* first.write(frameOf(Uint8Array.of(2)))
      expect(yield* server.blobs.receive()).toEqual(Uint8Array.of(1))
      expect(yield* server.blobs.receive()).toEqual(Uint8Array.of(2))
    })
  )

  itSim("that stops half way is refused after 5 s, or at its end, or with a bad field", () =>
    Effect.gen(function* () {
      const { near, othersGoOn } = yield* hostile
      const whole = preamble("log")
      expect(yield* stoppedWith(near, whole.subarray(0, 6))).toBe(carrierErrorCodes.undecided)
      for (let length = 8; length < whole.length; length++)
        expect(yield* stoppedWith(near, whole.subarray(0, length))).toBe(codes.badPreamble)
      expect(yield* stoppedWith(near, preamble("log", { kind: 2 }))).toBe(codes.badPreamble)
      expect(yield* stoppedWith(near, preamble("log", { version: 2, oldest: 3 }))).toBe(codes.badPreamble)
      // messages on streams of their own are for unordered channels
      expect(yield* stoppedWith(near, preamble("log", { kind: 1 }), frameOf(text("a")))).toBe(
        codes.badPreamble
      )
      yield* othersGoOn
    })
  )

  itSim("on a bidirectional stream ends both its sides, if it is refused", () =>
    Effect.gen(function* () {
      const { near } = yield* hostile
      const stream = yield* near.openBidi
      yield* stream.write(preamble("heartbeat"))
      expect(yield* reasonOf(stream.read())).toMatchObject({
        _tag: "StreamReset",
        code: codes.unknownChannel
      })
    })
  )
})

describe("C2: a frame", () => {
  const wrong: Record<string, readonly [code: number, outcome: string, ...ReadonlyArray<Uint8Array>]> = {
    "above the limit": [codes.frameTooLarge, "FrameTooLarge", Uint8Array.of(0, 1, 0x86, 0xa1)],
    "of four gigabytes": [codes.frameTooLarge, "FrameTooLarge", Uint8Array.of(255, 255, 255, 255)]
  }
  for (const [name, [code, outcome, ...bytes]] of Object.entries(wrong))
    itSim(`${name} is refused from its prefix alone`, () =>
      Effect.gen(function* () {
        const { near, server } = yield* hostile
        // one byte of the body has not even been sent
        expect(yield* stoppedWith(near, preamble("blobs"), ...bytes)).toBe(code)
        for (let i = 0; i < 2; i++)
          expect(yield* reasonOf(server.blobs.receive())).toMatchObject({
            _tag: "ChannelFailed",
            outcome,
            side: "here"
          })
        // it stays refused
        expect(yield* stoppedWith(near, preamble("blobs"))).toBe(code)
        const parcel = yield* near.openUni
        yield* parcel.writeAll([preamble("parcels", { kind: 1 }), frameOf(Uint8Array.of(1))])
        expect(yield* server.parcels.receive()).toEqual(Uint8Array.of(1))
      })
    )

  itSim("of the limit itself is received", () =>
    Effect.gen(function* () {
      const { near, server } = yield* hostile
      const stream = yield* near.openUni
      yield* Effect.forkScoped(stream.writeAll([preamble("blobs"), frameOf(new Uint8Array(100_000))]))
      expect((yield* server.blobs.receive()).length).toBe(100_000)
    })
  )

  itSim("that does not decode ends its channel on both sides", () =>
    Effect.gen(function* () {
      const { near, server, othersGoOn } = yield* hostile
      expect(yield* stoppedWith(near, preamble("log"), frameOf(text("no entry")))).toBe(codes.decodeFailed)
      expect(yield* reasonOf(server.log.receive())).toMatchObject({ outcome: "DecodeFailed", side: "here" })
      yield* othersGoOn
    })
  )

  itSim("that is cut off ends its channel", () =>
    Effect.gen(function* () {
      const { near, server, othersGoOn } = yield* hostile
      const frame = frameOf(text("entry"))
      for (const [channel, length] of [
        ["log", 2],
        ["talk", 7]
      ] as const) {
        const stream = yield* near.openUni
        yield* stream.writeAll([preamble(channel), frame.subarray(0, length)])
        yield* stream.finish
        const { receive }: { receive: () => Effect.Effect<unknown, QuicError> } = server[channel]
        expect(yield* reasonOf(receive())).toMatchObject({ outcome: "BadFrame" })
      }
      yield* othersGoOn
    })
  )

  itSim("of an unordered channel that is wrong ends it, and the stream that has opened it", () =>
    Effect.gen(function* () {
      const { near, server, othersGoOn } = yield* hostile
      const own = yield* near.openUni
      yield* own.write(preamble("parcels"))
      const large = Uint8Array.of(0, 0, 0xc3, 0x51)
      expect(yield* stoppedWith(near, preamble("parcels", { kind: 1 }), large)).toBe(codes.frameTooLarge)
      expect(yield* reasonOf(own.finished)).toMatchObject({
        _tag: "StreamStopped",
        code: codes.frameTooLarge
      })
      expect(yield* reasonOf(server.parcels.receive())).toMatchObject({ outcome: "FrameTooLarge" })
      yield* othersGoOn
    })
  )

  itSim("that is not to be sent is refused before anything is", () =>
    Effect.gen(function* () {
      const { client, server } = yield* both()
      expect(yield* reasonOf(client.blobs.send(new Uint8Array(100_001)))).toMatchObject({
        _tag: "ChannelFailed",
        outcome: "FrameTooLarge",
        side: "here"
      })
      expect(yield* reasonOf(client.log.send({ at: 0.5, text: "half" }))).toMatchObject({
        outcome: "EncodeFailed"
      })
      yield* client.blobs.send(Uint8Array.of(1))
      expect(yield* server.blobs.receive()).toEqual(Uint8Array.of(1))
    })
  )
})

describe("C1: two sides of different versions", () => {
  const of = (version: number, oldestVersion: number) =>
    Channels.make("pair", {
      version,
      oldestVersion,
      channels: { old: { direction: "both", message: Schema.String } }
    })
  const more = Channels.make("pair", {
    version: 2,
    oldestVersion: 1,
    channels: {
      old: { direction: "both", message: Schema.String },
      new: { direction: "both", message: Schema.String }
    }
  })

  itSim("a channel that the older side does not know is refused, and the others go on", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const newer = yield* Channels.client(more, near)
      const older = yield* Channels.server(of(1, 1), far)
      yield* Effect.sleep(100)
      expect(yield* reasonOf(newer.new.send("anybody?"))).toMatchObject({
        _tag: "ChannelFailed",
        outcome: "UnknownChannel",
        side: "there"
      })
      yield* newer.old.send("hello")
      expect(yield* older.old.receive()).toBe("hello")
      yield* older.old.send("hello")
      expect(yield* newer.old.receive()).toBe("hello")
    })
  )

  itSim("sets that do not understand each other fail on both sides, whichever is newer", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const newer = yield* Channels.client(of(3, 2), near)
      const older = yield* Channels.server(of(1, 1), far)
      yield* Effect.sleep(100)
      const here = { outcome: "IncompatibleVersion", side: "here" }
      const there = { outcome: "IncompatibleVersion", side: "there" }
      expect(yield* reasonOf(newer.old.send("hello"))).toMatchObject(there)
      expect(yield* reasonOf(older.old.send("hello"))).toMatchObject(there)
      expect(yield* reasonOf(newer.old.receive())).toMatchObject(here)
      expect(yield* reasonOf(older.old.receive())).toMatchObject(here)
    })
  )

  itSim("a set is used once on a connection; other sets go beside it", () =>
    Effect.gen(function* () {
      const { near, far } = yield* both()
      expect(yield* reasonOf(quietly(Channels.client(link, near)))).toMatchObject({
        _tag: "InvalidOption",
        field: "preamble"
      })
      const one = yield* Channels.client(of(1, 1), near)
      const other = yield* Channels.server(of(1, 1), far)
      yield* one.old.send("beside")
      expect(yield* other.old.receive()).toBe("beside")
    })
  )
})
