import { FrameType } from "../../src/wire/FrameType.ts"
import { openableStreams } from "../inspect.ts"
import { describe, expect, it } from "vitest"
import { connect, drain, exchange, exchangeFrames, limits, type Packet, pattern } from "./streamPair.ts"

const kinds = (packet: Packet | undefined): Array<number> => (packet?.frames ?? []).map((each) => each[0])

describe("opening streams", () => {
  it("numbers the four types as the RFC does", () => {
    const { client, server } = connect()
    expect([client.streams.open(false), client.streams.open(false)]).toEqual([0, 4])
    expect([server.streams.open(false), server.streams.open(false)]).toEqual([1, 5])
    expect([client.streams.open(true), client.streams.open(true)]).toEqual([2, 6])
    expect([server.streams.open(true), server.streams.open(true)]).toEqual([3, 7])
  })

  // RFC 9000 §3.2 #1
  it("opens all lower-numbered streams of the type first", () => {
    const { streams } = connect().server
    streams.received.onStream(12, 0, new Uint8Array(5), 0, 5, false)
    expect(drain(() => streams.pollOpened())).toEqual([0, 4, 8, 12])
    expect(drain(() => streams.pollReadable())).toEqual([12])
    streams.received.onStopSending(4, 1)
    streams.received.onMaxStreamData(16, 1e6)
    expect(drain(() => streams.pollOpened())).toEqual([16])
    expect(streams.stats()).toMatchObject({ open: 5, openedByPeer: 5 })
  })

  // RFC 9000 §4.6 #2, §19.11 #3, §4.6 #S1, §19.14 #S1
  it("is refused at the peer's limit, reports STREAMS_BLOCKED once, and continues when it is raised", () => {
    const { client } = connect(limits(), limits({ initialMaxStreamsBidi: 2 }))
    const { streams } = client
    expect(streams.pollOpenable(false)).toBe(true)
    expect([streams.open(false), streams.open(false), streams.open(false)]).toEqual([0, 4, -1])
    expect(streams.open(false)).toBe(-1)
    const blocked = client.transmit()!
    expect(blocked.frames).toEqual([[FrameType.STREAMS_BLOCKED_BIDI, 2, 0, 0]])
    expect(streams.open(false)).toBe(-1)
    expect(streams.hasFrames()).toBe(false)
    client.lost(blocked)
    expect(client.transmit()!.frames).toEqual(blocked.frames)
    expect(streams.pollOpenable(false)).toBe(false)
    streams.received.onMaxStreams(false, 3)
    expect([streams.pollOpenable(false), streams.pollOpenable(false)]).toEqual([true, false])
    expect([openableStreams(streams, false), streams.open(false), streams.open(false)]).toEqual([1, 8, -1])
    client.lost(blocked)
    expect(client.transmit()!.frames).toEqual([[FrameType.STREAMS_BLOCKED_BIDI, 3, 0, 0]])
  })

  // RFC 9000 §4.6 #5
  it("keeps up to the granted number of streams open, however many come and go", () => {
    const pair = connect(limits(), limits({ initialMaxStreamsUni: 10 }))
    const { client, server } = pair
    let opened = 0
    for (let round = 0; round < 100; round++) {
      let ids = 0
      for (let id = client.streams.open(true); id >= 0; id = client.streams.open(true)) {
        client.streams.write(id, pattern(id, 0, 100))
        client.streams.finish(id)
        ids++
      }
      expect(ids).toBe(10)
      opened += ids
      exchange(pair)
      for (const id of drain(() => server.streams.pollOpened()))
        expect(server.streams.read(id, 200)?.length).toBe(100)
      exchange(pair)
      drain(() => server.streams.pollClosed())
      drain(() => client.streams.pollClosed())
    }
    expect(opened).toBe(1000)
    expect(server.streams.stats()).toMatchObject({ open: 0, openedByPeer: 1000 })
    expect(client.streams.stats()).toMatchObject({ open: 0, openedByUs: 1000 })
  })

  it("lets a peer at its limit open the next as soon as one is closed", () => {
    const pair = connect(limits(), limits({ initialMaxStreamsUni: 50 }))
    const { client, server } = pair
    for (let i = 0; i < 50; i++) client.streams.write(client.streams.open(true), pattern(0, 0, 1))
    client.streams.finish(2)
    exchange(pair)
    expect(client.streams.open(true)).toBe(-1)
    server.streams.read(2, 5)
    exchange(pair)
    expect(client.streams.open(true)).toBe(2 + 4 * 50)
  })

  it("retransmits a lost MAX_STREAMS, with only the newest limit", () => {
    const { server } = connect(limits(), limits({ initialMaxStreamsUni: 2 }))
    const grants = [0, 1].map((i) => {
      server.streams.received.onStream(2 + 4 * i, 0, pattern(0, 0, 1), 0, 1, true)
      server.streams.read(2 + 4 * i, 5)
      return server.transmit()!
    })
    expect(grants.map((packet) => packet.frames)).toEqual([
      [[FrameType.MAX_STREAMS_UNI, 3, 0, 0]],
      [[FrameType.MAX_STREAMS_UNI, 4, 0, 0]]
    ])
    server.lost(grants[0])
    expect(server.streams.hasFrames()).toBe(false)
    server.lost(grants[1])
    expect(server.transmit()?.frames).toEqual(grants[1].frames)
  })

  it("does not answer every closed stream with a separate frame", () => {
    const pair = connect(limits(), limits({ initialMaxStreamsUni: 80 }))
    let grants = 0
    for (let i = 0; i < 80; i++) {
      const id = pair.client.streams.open(true)
      pair.client.streams.finish(id)
      pair.server.receive(pair.client.transmit()!)
      pair.server.streams.read(id, 1)
      for (let packet = pair.server.transmit(); packet !== undefined; packet = pair.server.transmit()) {
        pair.client.receive(packet)
        grants++
      }
    }
    expect(grants).toBe(8)
  })
})

describe("ending streams", () => {
  it("reports the end to the reader when it has read everything, and then that the stream is closed", () => {
    const pair = connect()
    const { client, server } = pair
    const id = client.streams.open(true)
    client.streams.write(id, pattern(id, 0, 100))
    exchange(pair)
    expect(server.streams.read(id, 60)?.length).toBe(60)
    expect(server.streams.read(id, 60)?.length).toBe(40)
    expect(server.streams.read(id, 60)).toBeUndefined()
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "open" })
    drain(() => server.streams.pollReadable())
    client.streams.finish(id)
    exchange(pair)
    expect(drain(() => server.streams.pollReadable())).toEqual([id])
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "finished" })
    expect(server.streams.pollClosed()).toBe(-1)
    expect(server.streams.read(id, 60)).toBeUndefined()
    expect(server.streams.pollClosed()).toBe(id)
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "finished" })
    expect(server.streams.sendOutcome(id)).toEqual({ _tag: "none" })
    expect(server.streams.pollClosed()).toBe(-1)
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "closed" })
    expect(client.streams.pollClosed()).toBe(id)
    expect(client.streams.sendOutcome(id)).toEqual({ _tag: "finished", acknowledged: true })
  })

  it("keeps an unread stream, so that its slot is not granted again", () => {
    const pair = connect()
    pair.client.streams.finish(pair.client.streams.open(true))
    exchange(pair)
    expect(pair.server.streams.pollClosed()).toBe(-1)
    expect(pair.server.streams.stats().open).toBe(1)
  })

  // RFC 9000 §4.5 #1
  it("resets: the reader sees the code, unread data is discarded, credit is returned", () => {
    const pair = connect()
    const { client, server } = pair
    const id = client.streams.open(false)
    client.streams.write(id, pattern(id, 0, 5000))
    exchange(pair)
    client.streams.reset(id, 77)
    expect(client.streams.sendOutcome(id)).toEqual({ _tag: "reset", code: 77 })
    expect(client.streams.write(id, pattern(id, 0, 1))).toBe(0)
    client.streams.finish(id)
    exchange(pair)
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "reset", code: 77 })
    expect(server.streams.read(id, 100)).toBeUndefined()
    expect(server.streams.stats()).toMatchObject({ received: 5000, consumed: 5000 })
    // the other direction is unaffected
    server.streams.write(id, pattern(id, 0, 10))
    exchange(pair)
    expect(client.streams.read(id, 100)?.length).toBe(10)
  })

  it("ignores a reset that arrives after everything else", () => {
    const { streams } = connect().server
    streams.received.onStream(2, 0, pattern(2, 0, 50), 0, 50, true)
    expect(streams.received.onResetStream(2, 9, 50)).toBeUndefined()
    expect(streams.read(2, 100)?.length).toBe(50)
    expect(streams.receiveOutcome(2)).toEqual({ _tag: "finished" })
  })

  it("opens a stream by its reset, too", () => {
    const pair = connect()
    pair.client.streams.reset(pair.client.streams.open(true), 3)
    exchange(pair)
    expect(pair.server.streams.pollOpened()).toBe(2)
    expect(pair.server.streams.receiveOutcome(2)).toEqual({ _tag: "reset", code: 3 })
    expect(pair.client.streams.pollClosed()).toBe(2)
  })

  // RFC 9000 §3.5 #1 #S1 #S3
  it("answers STOP_SENDING with a reset of the same code, and notifies the writer", () => {
    const pair = connect()
    const { client, server } = pair
    const id = client.streams.open(false)
    client.streams.write(id, pattern(id, 0, 5000))
    exchange(pair)
    server.streams.stop(id, 55)
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "stopped" })
    expect(server.streams.read(id, 10)).toBeUndefined()
    exchange(pair)
    expect(client.streams.sendOutcome(id)).toEqual({ _tag: "stopped", code: 55 })
    expect(drain(() => client.streams.pollStopped())).toEqual([id])
    expect(drain(() => client.streams.pollWritable())).toEqual([id])
    expect(client.streams.write(id, pattern(id, 0, 10))).toBe(0)
    server.streams.reset(id, 56)
    exchange(pair)
    client.streams.read(id, 10)
    expect([server.streams.pollClosed(), client.streams.pollClosed()]).toEqual([id, id])
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "stopped" })
  })

  it("ignores STOP_SENDING when all data is acknowledged", () => {
    const pair = connect()
    const id = pair.client.streams.open(false)
    pair.client.streams.finish(id)
    exchange(pair)
    pair.client.streams.received.onStopSending(id, 5)
    expect(pair.client.streams.sendOutcome(id)).toEqual({ _tag: "finished", acknowledged: true })
    expect(pair.client.streams.hasFrames()).toBe(false)
  })

  it("retransmits a lost STOP_SENDING until the final size is known", () => {
    const pair = connect()
    const { client, server } = pair
    const id = client.streams.open(true)
    client.streams.write(id, pattern(id, 0, 10))
    server.receive(client.transmit()!)
    server.streams.stop(id, 5)
    server.streams.stop(id, 6)
    const first = server.transmit()!
    expect(first.frames).toEqual([[FrameType.STOP_SENDING, id, 0, 0]])
    expect(server.streams.hasFrames()).toBe(false)
    server.lost(first)
    const second = server.transmit()!
    expect(kinds(second)).toEqual([FrameType.STOP_SENDING])
    client.receive(second)
    server.receive(client.transmit()!)
    server.lost(second)
    expect(server.streams.hasFrames()).toBe(false)
    expect(server.streams.pollClosed()).toBe(id)
  })

  it("sends STOP_SENDING once when the final size is already known, and then closes", () => {
    const { server } = connect()
    server.streams.received.onStream(2, 100, pattern(2, 100, 50), 0, 50, true)
    server.streams.stop(2, 5)
    expect(server.streams.pollClosed()).toBe(-1)
    expect(kinds(server.transmit())).toEqual([FrameType.STOP_SENDING])
    expect(server.streams.pollClosed()).toBe(2)
    expect(server.streams.stats()).toMatchObject({ received: 150, consumed: 150 })
  })

  // RFC 9000 §3.5 #S2
  it("answers it with a reset after the FIN was sent, too, and then retransmits no data", () => {
    const { client } = connect()
    const id = client.streams.open(true)
    client.streams.write(id, pattern(id, 0, 100))
    client.streams.finish(id)
    const data = client.transmit()!
    client.streams.received.onStopSending(id, 5)
    expect(kinds(client.transmit())).toEqual([FrameType.RESET_STREAM])
    client.lost(data)
    expect(client.streams.hasFrames()).toBe(false)
  })

  // RFC 9000 §3.5 #S4
  it("sends no STOP_SENDING once the peer has reset the stream", () => {
    const { server } = connect()
    server.streams.received.onStream(2, 0, pattern(2, 0, 50), 0, 50, false)
    server.streams.received.onResetStream(2, 7, 90)
    server.streams.stop(2, 5)
    expect(server.streams.hasFrames()).toBe(false)
  })

  it("sends no STOP_SENDING once everything has arrived", () => {
    const { server } = connect()
    server.streams.received.onStream(2, 0, pattern(2, 0, 50), 0, 50, true)
    server.streams.stop(2, 5)
    expect(server.streams.hasFrames()).toBe(false)
    expect(server.streams.pollClosed()).toBe(2)
  })

  it("does nothing for streams that do not exist or lack that direction", () => {
    const { streams } = connect().client
    const id = streams.open(true)
    for (const each of [id + 4, 1]) {
      expect(streams.write(each, new Uint8Array(5))).toBe(0)
      expect(streams.read(each, 5)).toBeUndefined()
      streams.finish(each)
      streams.reset(each, 1)
      streams.stop(each, 1)
      streams.setPriority(each, 1)
      expect(streams.sendOutcome(each)).toEqual({ _tag: "none" })
    }
    expect(streams.read(id, 5)).toBeUndefined()
    streams.stop(id, 5)
    expect(streams.receiveOutcome(id)).toEqual({ _tag: "none" })
    expect(streams.hasFrames()).toBe(false)
  })
})

describe("a reset with a reliable size", () => {
  it("delivers that much, despite losses, and then the code", () => {
    const pair = connect()
    const { client, server } = pair
    const id = client.streams.open(true)
    client.streams.write(id, pattern(id, 0, 5000))
    const lost = [client.transmit()!, client.transmit()!]
    server.receive(client.transmit()!)
    expect(client.streams.resetAt(id, 8, 1500)).toBe(true)
    for (const packet of lost) client.lost(packet)
    exchange(pair)
    expect(server.streams.readableBytes(id)).toBe(1500)
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "open" })
    expect(server.streams.read(id, 9000)).toEqual(pattern(id, 0, 1500))
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "reset", code: 8 })
    const { consumed, received } = server.streams.stats()
    expect(consumed).toBe(received)
    expect(received).toBe(client.streams.stats().sendCreditUsed)
    exchange(pair)
    expect([client.streams.pollClosed(), server.streams.pollClosed()]).toEqual([id, id])
  })

  it("waits for credit if the promised data was not sent yet", () => {
    const pair = connect(limits(), limits({ initialMaxStreamDataUni: 1000, maxStreamWindowBytes: 1000 }))
    const { client, server } = pair
    const id = client.streams.open(true)
    client.streams.write(id, pattern(id, 0, 5000))
    client.streams.resetAt(id, 8, 1800)
    exchange(pair)
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "open" })
    expect(server.streams.read(id, 9000)?.length).toBe(1000)
    exchange(pair)
    expect(server.streams.read(id, 9000)?.length).toBe(800)
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "reset", code: 8 })
  })

  it("can be reduced, even to zero, but keeps its code", () => {
    const pair = connect()
    const { client, server } = pair
    const id = client.streams.open(true)
    client.streams.write(id, pattern(id, 0, 5000))
    const data = [client.transmit()!, client.transmit()!]
    client.streams.resetAt(id, 8, 2000)
    const first = client.transmit()!
    expect(first.frames[0].slice(0, 3)).toEqual([FrameType.RESET_STREAM_AT, id, 2000])
    client.streams.resetAt(id, 9, 3000)
    expect(client.streams.hasFrames()).toBe(false)
    client.streams.resetAt(id, 9, 500)
    const second = client.transmit()!
    expect(second.frames[0].slice(0, 3)).toEqual([FrameType.RESET_STREAM_AT, id, 500])
    client.acked(first)
    client.lost(first)
    expect(client.streams.hasFrames()).toBe(false)
    server.receive(second)
    server.receive(first)
    server.receive(data[1])
    expect(server.streams.readableBytes(id)).toBe(0)
    server.receive(data[0])
    expect(server.streams.readableBytes(id)).toBe(500)
    client.streams.reset(id, 10)
    const third = client.transmit()!
    expect(kinds(third)).toEqual([FrameType.RESET_STREAM])
    expect(server.receive(third)).toBeUndefined()
    expect(server.streams.read(id, 9000)?.length).toBe(500)
    expect(server.streams.receiveOutcome(id)).toEqual({ _tag: "reset", code: 8 })
    client.acked(third)
    expect(client.streams.pollClosed()).toBe(id)
  })

  it("is overridden by a plain reset of data that has not arrived", () => {
    const { streams } = connect().server
    streams.received.onResetStreamAt(2, 4, 1000, 600)
    expect(streams.receiveOutcome(2)).toEqual({ _tag: "open" })
    streams.received.onResetStream(2, 4, 1000)
    expect(streams.receiveOutcome(2)).toEqual({ _tag: "reset", code: 4 })
  })

  it("is refused when the peer does not support it", () => {
    const { streams } = connect(limits(), limits({ resetStreamAt: false })).client
    const id = streams.open(true)
    expect(streams.resetAt(id, 1, 5)).toBe(false)
    expect(streams.sendOutcome(id)).toEqual({ _tag: "open" })
  })
})

describe("0-RTT", () => {
  const remembered = limits({
    initialMaxStreamsBidi: 3,
    initialMaxStreamDataBidiRemote: 4000,
    initialMaxData: 9000
  })

  it("uses remembered limits until the real ones arrive, which may only be larger", () => {
    const pair = connect(limits(), limits())
    const { streams } = connect(limits(), remembered).client
    streams.applyPeerLimits(remembered, true)
    const id = streams.open(false)
    expect(openableStreams(streams, false)).toBe(2)
    expect(streams.applyPeerLimits(pair.server.streams === undefined ? remembered : limits())).toBeUndefined()
    expect(openableStreams(streams, false)).toBe(99)
    expect(streams.stats().sendCreditLimit).toBe(384 * 1024)
    expect(id).toBe(0)
  })

  it("starts over when it is rejected, within the limits the server then grants", () => {
    const early = connect(limits(), remembered)
    const { client } = early
    const ids = [client.streams.open(false), client.streams.open(false), client.streams.open(false)]
    for (const id of ids) client.streams.write(id, pattern(id, 0, 3500))
    client.streams.finish(ids[0])
    client.streams.reset(ids[1], 4)
    for (let packet = client.transmit(); packet !== undefined; packet = client.transmit());
    client.streams.onEarlyDataRejected()
    client.streams.stop(ids[2], 9)
    expect(client.streams.hasFrames()).toBe(false)
    const real = limits({
      initialMaxStreamsBidi: 2,
      initialMaxStreamDataBidiRemote: 1000,
      initialMaxData: 5000
    })
    expect(client.streams.applyPeerLimits(real)).toBeUndefined()
    const { server } = connect(limits(), real)
    const pair = { client, server }
    const frames = exchangeFrames(pair)
    // RFC 9000 §4.6: SHOULD
    expect(frames).toContainEqual([FrameType.STREAMS_BLOCKED_BIDI, 2, 0, 0])
    expect(server.streams.receiveOutcome(ids[1])).toEqual({ _tag: "reset", code: 4 })
    const parts: Array<Uint8Array> = []
    while (server.streams.receiveOutcome(ids[0])._tag === "open") {
      const bytes = server.streams.read(ids[0], 5000)
      if (bytes === undefined) break
      parts.push(bytes)
      exchange(pair)
    }
    expect(Buffer.concat(parts).equals(pattern(ids[0], 0, 3500))).toBe(true)
    // the third stream exceeds the new limit and waits
    expect(server.streams.stats().openedByPeer).toBe(2)
    server.streams.read(ids[1], 1)
    for (const id of [ids[0], ids[1]]) server.streams.finish(id)
    exchange(pair)
    client.streams.read(ids[0], 1)
    client.streams.read(ids[1], 1)
    exchange(pair)
    expect(server.streams.stats().openedByPeer).toBe(3)
    expect(server.streams.read(ids[2], 5000)).toEqual(pattern(ids[2], 0, 1000))
    expect(server.streams.sendOutcome(ids[2])).toEqual({ _tag: "stopped", code: 9 })
  })
})
