import { FrameType } from "../../src/wire/FrameType.ts"
/** What must no longer happen once a stream, or one direction of it, has ended. */
import { describe, expect, it } from "vitest"
import { connect, exchange, limits, type Packet, pattern } from "./streamPair.ts"

describe("after the end of a stream", () => {
  // RFC 9000 §2.1 #1
  it("its ID is not reused, whoever opened it and however it ended", () => {
    const pair = connect()
    const { client, server } = pair
    const used = new Set<number>()
    for (let i = 0; i < 40; i++) {
      const side = i % 2 === 0 ? client : server
      const other = side === client ? server : client
      const id = side.streams.open(true)
      expect(used.has(id)).toBe(false)
      used.add(id)
      side.streams.write(id, pattern(id, 0, 10))
      if (i % 3 === 0) side.streams.reset(id, 1)
      else side.streams.finish(id)
      exchange(pair)
      while (other.streams.read(id, 100) !== undefined);
      exchange(pair)
      while (side.streams.pollClosed() >= 0);
      while (other.streams.pollClosed() >= 0);
    }
    expect(used.size).toBe(40)
    expect(client.streams.stats().open).toBe(0)
  })

  // RFC 9000 §4.5 #2
  it("nothing is accepted or sent beyond its final size", () => {
    const { client } = connect()
    const id = client.streams.open(false)
    client.streams.write(id, pattern(id, 0, 100))
    client.streams.finish(id)
    expect(client.streams.write(id, pattern(id, 100, 50))).toBe(0)
    expect(client.streams.writeWhole(id, pattern(id, 100, 50))).toBe(false)
    client.streams.finish(id)
    const packet = client.transmit()!
    expect(packet.frames).toEqual([[FrameType.STREAM, id, 0, -101]])
    expect(client.streams.hasFrames()).toBe(false)
    client.lost(packet)
    expect(client.transmit()!.frames).toEqual(packet.frames)
    expect(client.streams.hasFrames()).toBe(false)
  })

  // RFC 9000 §3.3 #1 #2
  it("whose data or reset was acknowledged, nothing is sent: no data, no reset, no STREAM_DATA_BLOCKED", () => {
    for (const end of ["finish", "reset"] as const) {
      const pair = connect()
      const { client, server } = pair
      const id = client.streams.open(false)
      client.streams.write(id, pattern(id, 0, 100))
      const lost: Array<Packet> = [client.transmit()!]
      if (end === "finish") client.streams.finish(id)
      else client.streams.reset(id, 7)
      const last = client.transmit()!
      for (const packet of [...lost, last]) {
        server.receive(packet)
        client.acked(packet)
      }
      while (server.transmit() !== undefined);
      client.streams.reset(id, 8)
      client.streams.resetAt(id, 8, 50)
      client.streams.finish(id)
      expect(client.streams.write(id, pattern(id, 100, 10))).toBe(0)
      client.streams.received.onStopSending(id, 9)
      client.streams.received.onMaxStreamData(id, 1_000_000)
      for (const packet of [...lost, last]) client.lost(packet)
      expect(client.streams.hasFrames(), end).toBe(false)
    }
  })

  // RFC 9000 §3.3 #2
  it("that was reset while blocked by flow control, no STREAM_DATA_BLOCKED is sent", () => {
    const { client } = connect(limits(), limits({ initialMaxStreamDataBidiRemote: 100 }))
    const id = client.streams.open(false)
    client.streams.write(id, pattern(id, 0, 500))
    const packets: Array<Packet> = []
    for (let packet = client.transmit(); packet !== undefined; packet = client.transmit())
      packets.push(packet)
    expect(packets.flatMap(({ frames }) => frames.map(([kind]) => kind))).toContain(
      FrameType.STREAM_DATA_BLOCKED
    )
    client.streams.reset(id, 1)
    for (const packet of packets) client.lost(packet)
    expect(client.transmit()!.frames).toEqual([[FrameType.RESET_STREAM, id, 0, 0]])
    expect(client.streams.hasFrames()).toBe(false)
  })
})

describe("after the end of one direction of a stream", () => {
  const small = { initialMaxStreamDataBidiLocal: 1_000, initialMaxStreamDataBidiRemote: 1_000 }

  // RFC 9000 §4.4 #1
  it("flow control continues in the other: credit is respected, and granted as data is consumed", () => {
    for (const end of ["finish", "reset", "stop"] as const) {
      const pair = connect(limits({ ...small, maxStreamWindowBytes: 1_000 }))
      const { client, server } = pair
      const id = client.streams.open(false)
      client.streams.write(id, pattern(id, 0, 10))
      exchange(pair)
      if (end === "finish") client.streams.finish(id)
      if (end === "reset") client.streams.reset(id, 1)
      if (end === "stop") server.streams.stop(id, 1)
      exchange(pair)
      while (server.streams.read(id, 100) !== undefined);
      exchange(pair)
      for (const side of [client, server]) expect(side.streams.pollClosed(), end).toBe(-1)
      server.streams.write(id, pattern(id, 0, 5_000))
      exchange(pair)
      expect(client.streams.readableBytes(id), end).toBe(1_000)
      let read = 0
      for (
        let bytes = client.streams.read(id, 300);
        bytes !== undefined;
        bytes = client.streams.read(id, 300)
      ) {
        read += bytes.length
        exchange(pair)
      }
      expect(read, end).toBe(5_000)
      expect(client.streams.received.onStream(id, 6_000, new Uint8Array(1), 0, 1, false)?.code, end).toBe(3)
    }
  })
})
