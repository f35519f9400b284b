import { describe, expect, it } from "vitest"
import type { Connection } from "../../src/connection/Connection.ts"
import { PacketState, SentPacket } from "../../src/recovery/SentPacket.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameDecoder } from "../../src/wire/FrameDecoder.ts"
import { FrameExtension } from "../../src/wire/FrameType.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { RecordingSink } from "../wire/recordingSink.ts"
import { CorePair } from "./CorePair.ts"

const now = 2_000_000

/** A server after its handshake, with nothing left to send. */
const idleServer = (): Connection => {
  const pair = new CorePair({
    client: { maxDatagramFrameBytes: 1000 },
    server: { maxDatagramFrameBytes: 1000 }
  })
  const server = pair.exchange().advance(1_000_000).server!
  expect(server.parts.frames.hasFrames(Level.OneRtt, server.path)).toBe(false)
  return server
}

/** Gives every owner something to send. */
const queueFrames = ({ parts: { frames }, path, crypto, datagrams, streams }: Connection): void => {
  frames.ping.request()
  streams.write(streams.open(false), new Uint8Array(3))
  datagrams.send(new Uint8Array(2), true)
  crypto.write(Level.OneRtt, new Uint8Array(4))
  path.localIds.rotate(1)
  path.routes.renewId()
  path.validator.start(now, 100_000)
  path.validator.onChallenge(new Uint8Array(8), 1200)
  path.ackFrequency.onMeasured(10_000, 20_000, 3)
  frames.tokens.issue("192.0.2.99", () => new Uint8Array([9]))
  frames.handshakeDone.send()
}

/** What `server` writes into a packet with `room` bytes, and its record. */
const write = ({ parts: { frames }, path }: Connection, room = 1200, level: Level = Level.OneRtt) => {
  const w = new ByteWriter(new Uint8Array(room))
  const packet = new SentPacket()
  frames.writeFrames(w, packet.frames, level, path, now)
  const sink = new RecordingSink()
  if (w.offset > 0) new FrameDecoder("server", FrameExtension.all).decode(w.bytes, 0, w.offset, level, sink)
  return { names: sink.frames.map(([name]) => name), packet }
}

describe("the frames of a packet", () => {
  it("are written in the order of their owners, and PING only if there is no other", () => {
    const server = idleServer()
    queueFrames(server)
    const { names } = write(server)
    expect(names.filter((name, i) => name !== names[i - 1])).toEqual([
      "ACK_FREQUENCY",
      "PATH_CHALLENGE",
      "PATH_RESPONSE",
      "HANDSHAKE_DONE",
      "NEW_TOKEN",
      "RETIRE_CONNECTION_ID",
      "NEW_CONNECTION_ID",
      "CRYPTO",
      "DATAGRAM",
      "STREAM"
    ])
    // the other frames made the requested PING unnecessary
    expect(server.parts.frames.hasFrames(Level.OneRtt, server.path)).toBe(false)
    server.parts.frames.ping.request()
    expect(write(server).names).toEqual(["PING"])
    expect(server.parts.frames.hasFrames(Level.OneRtt, server.path)).toBe(false)
  })

  it("are each written as soon as there is room, and none is dropped for lack of it", () => {
    const whole = idleServer()
    queueFrames(whole)
    const server = idleServer()
    queueFrames(server)
    const names: Array<string> = []
    for (let room = 1; server.parts.frames.hasFrames(Level.OneRtt, server.path); room++)
      names.push(...write(server, room).names)
    expect(names.filter((name) => name !== "PING").sort()).toEqual([...write(whole).names].sort())
  })

  it("are only written at levels that may carry them", () => {
    const server = idleServer()
    queueFrames(server)
    server.crypto.write(Level.Handshake, new Uint8Array(5))
    expect(write(server, 1200, Level.Handshake).names).toEqual(["CRYPTO"])
    expect(write(server, 1200, Level.ZeroRtt).names).toEqual(["DATAGRAM", "STREAM"])
  })
})

describe("the owner of a frame", () => {
  it("retransmits what is still relevant when it is lost", () => {
    const server = idleServer()
    queueFrames(server)
    const { names, packet } = write(server)
    packet.state = PacketState.Lost
    server.parts.frames.onLost(server.path, packet)
    // RFC 9000 §13.3: a challenge has its own timer; a response and a datagram are sent only once
    const repeated = names.filter((name) => !/^PATH|^DATAGRAM/.test(name))
    expect(write(server).names).toEqual(repeated)
    expect(server.datagrams.takeFate()).toMatchObject({ fate: "lost" })
  })

  it("ignores a loss after an acknowledgment", () => {
    const server = idleServer()
    queueFrames(server)
    const { packet } = write(server)
    server.parts.frames.onAcked(server.path, packet)
    expect(server.datagrams.takeFate()).toMatchObject({ fate: "acknowledged" })
    packet.state = PacketState.Lost
    server.parts.frames.onLost(server.path, packet)
    expect(server.parts.frames.hasFrames(Level.OneRtt, server.path)).toBe(false)
  })

  it("repeats what is outstanding in a probe, except a datagram, which may still arrive", () => {
    const server = idleServer()
    queueFrames(server)
    const { packet } = write(server)
    packet.state = PacketState.Outstanding
    server.parts.frames.onLost(server.path, packet)
    expect(server.datagrams.takeFate()).toBeUndefined()
    expect(write(server).names).toContain("STREAM")
  })
})
