import { describe, expect, it } from "vitest"
import { SentFrames } from "../../src/recovery/SentFrames.ts"
import type { LocalStreamLimits } from "../../src/stream/StreamLimits.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import {
  connect,
  drain,
  type Endpoint,
  exchange,
  limits,
  type Packet,
  type Pair,
  pattern
} from "./streamPair.ts"
import { frameContext } from "../recovery/frameContext.ts"

const framesOf = (packet: Packet | undefined, kind: number) =>
  (packet?.frames ?? []).filter((each) => each[0] === kind)

const open = (pair: Pair, bytes = 0): number => {
  const id = pair.client.streams.open(false)
  if (bytes > 0) pair.client.streams.write(id, pattern(id, 0, bytes))
  return id
}

const transmitAll = (side: Endpoint): Array<Packet> => {
  const packets: Array<Packet> = []
  for (let packet = side.transmit(); packet !== undefined; packet = side.transmit()) packets.push(packet)
  return packets
}

const withPeer = (server: Partial<LocalStreamLimits>, client: Partial<LocalStreamLimits> = {}): Pair =>
  connect(limits(client), limits(server))

const mega = 1024 * 1024
const generous = { initialMaxData: 64 * mega, initialMaxStreamDataBidiRemote: 64 * mega }

describe("writing to a stream", () => {
  it("accepts what the send buffer holds, and reports room when a quarter of it is free", () => {
    const pair = withPeer(generous, { sendBufferBytes: 8000 })
    const { client } = pair
    const id = open(pair)
    expect(client.streams.write(id, pattern(id, 0, 10_000))).toBe(8000)
    expect(client.streams.write(id, pattern(id, 0, 1))).toBe(0)
    const packets = transmitAll(client)
    expect(packets.length).toBe(7)
    client.acked(packets[0])
    expect(client.streams.pollWritable()).toBe(-1)
    client.acked(packets[1])
    expect(client.streams.pollWritable()).toBe(id)
    expect(client.streams.pollWritable()).toBe(-1)
    client.acked(packets[2])
    expect(client.streams.pollWritable()).toBe(-1)
    const room = 8000 - client.streams.stats().sendBuffered
    expect(room).toBeGreaterThan(3 * 1180)
    expect(client.streams.write(id, pattern(id, 0, 10_000))).toBe(room)
  })

  it("accepts a message completely or not at all, and one at a time beyond the buffer's capacity", () => {
    const pair = withPeer(generous, { sendBufferBytes: 8000 })
    const { client, server } = pair
    const id = open(pair)
    expect(client.streams.writeWhole(id, pattern(id, 0, 20_000))).toBe(true)
    expect(client.streams.writeWhole(id, pattern(id, 20_000, 5))).toBe(false)
    expect(client.streams.write(id, pattern(id, 20_000, 5))).toBe(0)
    exchange(pair)
    expect(client.streams.pollWritable()).toBe(id)
    expect(client.streams.writeWhole(id, pattern(id, 20_000, 5))).toBe(true)
    exchange(pair)
    expect(server.streams.readableBytes(id)).toBe(20_005)
    client.streams.finish(id)
    expect(client.streams.writeWhole(id, pattern(id, 0, 5))).toBe(false)
  })

  it("does not copy a large write", () => {
    const pair = withPeer(generous, { sendBufferBytes: 10 * mega })
    const id = open(pair)
    const bytes = new Uint8Array(10 * mega)
    expect(pair.client.streams.write(id, bytes)).toBe(bytes.length)
    bytes.fill(7)
    exchange(pair)
    const read = pair.server.streams.read(id, 1000)!
    expect(read.every((byte) => byte === 7)).toBe(true)
  })

  it("copies small writes, and sends many of them in one frame", () => {
    const pair = connect()
    const id = open(pair)
    const word = new Uint8Array(10).fill(1)
    for (let i = 0; i < 100; i++) pair.client.streams.write(id, word)
    word.fill(2)
    const packet = pair.client.transmit()!
    expect(framesOf(packet, FrameType.STREAM)).toEqual([[FrameType.STREAM, id, 0, 1000]])
    pair.server.receive(packet)
    expect(pair.server.streams.read(id, 5000)).toEqual(new Uint8Array(1000).fill(1))
  })

  it("sends nothing for a stream until there is data", () => {
    const pair = connect()
    open(pair)
    expect(pair.client.streams.hasFrames()).toBe(false)
    pair.client.streams.write(0, new Uint8Array(0))
    expect(pair.client.streams.hasFrames()).toBe(false)
  })

  it("sends the FIN with the last bytes, or alone", () => {
    const pair = connect()
    const id = open(pair, 10)
    pair.client.streams.finish(id)
    expect(pair.client.transmit()?.frames).toEqual([[FrameType.STREAM, id, 0, -11]])
    const other = open(pair, 10)
    expect(pair.client.transmit()?.frames).toEqual([[FrameType.STREAM, other, 0, 10]])
    pair.client.streams.finish(other)
    expect(pair.client.transmit()?.frames).toEqual([[FrameType.STREAM, other, 10, -1]])
    const empty = open(pair)
    pair.client.streams.finish(empty)
    expect(pair.client.transmit()?.frames).toEqual([[FrameType.STREAM, empty, 0, -1]])
    expect(pair.client.streams.hasFrames()).toBe(false)
  })

  it("omits the length only in a frame that fills the packet", () => {
    const pair = connect()
    const id = open(pair, 3000)
    const first = pair.client.transmit()!
    expect([first.bytes.length, first.bytes[0]]).toEqual([1200, 0x08])
    const second = pair.client.transmit()!
    expect([second.bytes.length, second.bytes[0]]).toEqual([1200, 0x0c])
    const third = pair.client.transmit()!
    expect(third.bytes[0]).toBe(0x0e)
    expect(third.frames[0]).toEqual([FrameType.STREAM, id, 1198 + 1196, 3000 - 1198 - 1196])
  })

  it("fits frames into the available room, and starts none with too little", () => {
    for (let room = 0; room < 80; room++) {
      const { streams } = connect().client
      const id = streams.open(false)
      streams.write(id, pattern(id, 0, 50))
      streams.finish(id)
      const w = new ByteWriter(new Uint8Array(200), 100, 100 + room)
      const sent = new SentFrames()
      streams.writeFrames(w, sent, frameContext())
      expect(w.offset).toBeLessThanOrEqual(100 + room)
      expect(sent.length > 0).toBe(room >= 18)
      if (room >= 53) expect(streams.hasFrames()).toBe(false)
    }
  })

  it("knows whether everything has been delivered", () => {
    const pair = connect()
    const { streams } = pair.client
    expect(streams.hasUndelivered).toBe(false)
    const id = open(pair, 100)
    expect(streams.hasUndelivered).toBe(true)
    exchange(pair)
    expect(streams.hasUndelivered).toBe(false)
    streams.finish(id)
    expect(streams.hasUndelivered).toBe(true)
    expect(streams.sendOutcome(id)).toEqual({ _tag: "finished", acknowledged: false })
    exchange(pair)
    expect(streams.hasUndelivered).toBe(false)
    expect(streams.sendOutcome(id)).toEqual({ _tag: "finished", acknowledged: true })
    expect(drain(() => streams.pollWritable())).toEqual([id])
    const other = open(pair, 100)
    streams.reset(other, 1)
    expect(streams.hasUndelivered).toBe(true)
    exchange(pair)
    expect(streams.hasUndelivered).toBe(false)
  })
})

describe("lost data", () => {
  // RFC 9000 §13.3 #S2 #S3
  it("is retransmitted before new data, without what has been acknowledged meanwhile", () => {
    const pair = connect()
    const { client } = pair
    const id = open(pair, 6000)
    const [first, second, third] = [client.transmit()!, client.transmit()!, client.transmit()!]
    client.acked(second)
    client.lost(first)
    client.lost(third)
    const again = client.transmit()!
    expect(again.frames[0].slice(1, 3)).toEqual([id, 0])
    expect(again.frames[0][3]).toBe(first.frames[0][3])
    expect(client.transmit()!.frames[0]).toEqual(third.frames[0])
    // acknowledged after all: no third transmission
    client.lost(again)
    client.acked(first)
    expect(client.transmit()!.frames[0][2]).toBe(third.frames[0][2] + third.frames[0][3])
  })

  it("is retransmitted even without credit", () => {
    const pair = withPeer({ initialMaxData: 1000 })
    const { client } = pair
    const id = open(pair, 3000)
    const packets = transmitAll(client)
    expect(framesOf(packets[0], FrameType.STREAM)).toEqual([[FrameType.STREAM, id, 0, 1000]])
    expect(client.streams.hasFrames()).toBe(false)
    client.lost(packets[0])
    expect(client.streams.hasFrames()).toBe(true)
    expect(framesOf(client.transmit(), FrameType.STREAM)).toEqual([[FrameType.STREAM, id, 0, 1000]])
    expect(client.streams.stats().sendCreditUsed).toBe(1000)
  })

  it("may be a lone FIN, when its data arrived in another packet", () => {
    const pair = connect()
    const { client } = pair
    const id = open(pair, 10)
    const data = client.transmit()!
    client.streams.finish(id)
    const fin = client.transmit()!
    client.acked(data)
    client.lost(fin)
    expect(client.transmit()!.frames).toEqual([[FrameType.STREAM, id, 10, -1]])
  })

  // RFC 9000 §3.3 #2
  it("is not retransmitted once the stream is reset", () => {
    const pair = connect()
    const { client } = pair
    const id = open(pair, 3000)
    const packets = transmitAll(client)
    client.streams.reset(id, 9)
    const reset = client.transmit()!
    expect(reset.frames).toEqual([[FrameType.RESET_STREAM, id, 0, 0]])
    for (const packet of packets) client.lost(packet)
    expect(client.streams.hasFrames()).toBe(false)
    client.lost(reset)
    expect(client.transmit()!.frames).toEqual(reset.frames)
  })
})

describe("stream scheduling", () => {
  it("is round-robin among equals, a packet each", () => {
    const pair = connect()
    const ids = [open(pair, 5000), open(pair, 5000), open(pair, 5000)]
    const order = transmitAll(pair.client).map((packet) => packet.frames[0][1])
    expect(order.slice(0, 9)).toEqual([...ids, ...ids, ...ids])
  })

  it("is by priority, which can change at any time", () => {
    const pair = connect()
    const [low, middle, high] = [open(pair, 3000), open(pair, 3000), open(pair, 3000)]
    pair.client.streams.setPriority(low, -5)
    pair.client.streams.setPriority(high, 5)
    const ids = () => framesOf(pair.client.transmit(), FrameType.STREAM).map((each) => each[1])
    expect(ids()).toEqual([high])
    pair.client.streams.setPriority(low, 10)
    expect([ids(), ids(), ids()]).toEqual([[low], [low], [low, high]])
    expect(ids()).toEqual([high])
    expect(ids()).toEqual([high, middle])
  })

  it("lets streams share a packet when the first has little to send", () => {
    const pair = connect()
    for (let i = 0; i < 20; i++) open(pair, 10)
    const packet = pair.client.transmit()!
    expect(packet.frames.map((each) => each[1])).toEqual([...Array(20).keys()].map((i) => i * 4))
    expect(pair.client.streams.hasFrames()).toBe(false)
  })

  it("skips a stream blocked by its own credit", () => {
    const pair = withPeer({ initialMaxStreamDataBidiRemote: 500 })
    const [first, second] = [open(pair, 3000), open(pair, 3000)]
    const packets = transmitAll(pair.client)
    const data = packets
      .flatMap((packet) => framesOf(packet, FrameType.STREAM))
      .map((each) => [each[1], each[3]])
    expect(data).toEqual([
      [first, 500],
      [second, 500]
    ])
    expect(pair.client.streams.hasFrames()).toBe(false)
  })
})
