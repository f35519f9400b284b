import { FrameType } from "../../src/wire/FrameType.ts"
import { openableStreams } from "../inspect.ts"
import { describe, expect, it } from "vitest"
import { ReceiveWindow } from "../../src/stream/FlowControl.ts"
import { connect, exchange, limits, type Packet, pattern } from "./streamPair.ts"

const kinds = (packet: Packet | undefined): Array<number> => (packet?.frames ?? []).map((each) => each[0])

describe("a receive window", () => {
  // RFC 9000 §4.2 #1
  it("is extended when half of it is consumed, not before", () => {
    const window = new ReceiveWindow(1000, 1000)
    window.consumed = 499
    expect(window.isDue).toBe(false)
    window.consumed = 500
    expect(window.isDue).toBe(true)
    expect(window.grant(0, 100)).toBe(1500)
    expect(window.isDue).toBe(false)
  })

  it("doubles while halves are consumed within two round trips, up to its maximum", () => {
    const window = new ReceiveWindow(1000, 3000)
    const consume = (elapsed: number) => {
      window.consumed += window.size / 2
      now += elapsed
      window.grant(now, 100)
      return window.size
    }
    let now = 5000
    // the time the first half took is not measured
    expect(consume(10)).toBe(1000)
    expect(consume(200)).toBe(1000)
    expect(consume(199)).toBe(2000)
    expect(consume(100)).toBe(3000)
    expect(consume(100)).toBe(3000)
    expect(window.limit).toBe(window.consumed + 3000)
  })

  it("does not grow for a retransmitted frame", () => {
    const window = new ReceiveWindow(1000, 9000)
    window.consumed = 500
    window.grant(10, 100)
    expect(window.grant(11, 100)).toBe(1500)
    expect(window.size).toBe(1000)
  })
})

describe("flow control", () => {
  const small = limits({
    initialMaxData: 3000,
    initialMaxStreamDataBidiRemote: 2000,
    maxStreamWindowBytes: 2000,
    maxConnectionWindowBytes: 3000
  })

  // RFC 9000 §2.2 #3, §4.1 #1, §4.1 #S1, §19.12 #S1, §19.13 #S1
  it("reports once, for each limit, that it blocks us", () => {
    const { client } = connect(limits(), small)
    const ids = [client.streams.open(false), client.streams.open(false)]
    for (const id of ids) client.streams.write(id, pattern(id, 0, 10_000))
    const said: Array<ReadonlyArray<number>> = []
    const blocked = () => {
      let last: Packet | undefined
      said.length = 0
      for (let packet = client.transmit(); packet !== undefined; packet = client.transmit()) {
        last = packet
        said.push(...packet.frames.filter(([kind]) => kind !== FrameType.STREAM))
      }
      return last!
    }
    const first = blocked()
    expect(said).toEqual([[FrameType.DATA_BLOCKED, 3000, 0, 0]])
    client.streams.write(ids[0], pattern(ids[0], 10_000, 10))
    expect(client.streams.hasFrames()).toBe(false)
    // when lost, it is retransmitted while still true
    client.lost(first)
    blocked()
    expect(said).toEqual([[FrameType.DATA_BLOCKED, 3000, 0, 0]])
    // with more connection credit, the streams are blocked
    client.streams.received.onMaxData(100_000)
    const second = blocked()
    expect(said.map(([kind, id, limit]) => [kind, id, limit]).sort((a, b) => a[1] - b[1])).toEqual(
      ids.map((id) => [FrameType.STREAM_DATA_BLOCKED, id, 2000])
    )
    client.streams.write(ids[0], pattern(ids[0], 10_010, 10))
    expect(client.streams.hasFrames()).toBe(false)
    client.lost(first)
    client.streams.received.onMaxStreamData(ids[0], 50_000)
    client.lost(second)
    blocked()
    expect(said).toEqual([[FrameType.STREAM_DATA_BLOCKED, ids[1], 2000, 0]])
  })

  // RFC 9000 §4.1 #3, §4.6 #4, §13.3 #3
  it("ignores limits that do not grow", () => {
    const { client } = connect(limits(), small)
    client.streams.received.onMaxData(10)
    client.streams.received.onMaxStreams(false, 1)
    expect(client.streams.stats().sendCreditLimit).toBe(3000)
    expect(openableStreams(client.streams, false)).toBe(100)
  })

  it("moves any amount through small windows, giving credit as it is read", () => {
    const pair = connect(limits(), small)
    const id = pair.client.streams.open(false)
    let written = 0
    let read = 0
    while (read < 100_000) {
      written += pair.client.streams.write(id, pattern(id, written, Math.min(7000, 100_000 - written)))
      exchange(pair)
      for (
        let bytes = pair.server.streams.read(id, 700);
        bytes !== undefined;
        bytes = pair.server.streams.read(id, 700)
      )
        read += bytes.length
    }
    expect(pair.server.streams.stats()).toMatchObject({
      received: 100_000,
      consumed: 100_000,
      receiveWindow: 3000
    })
  })

  it("retransmits only the newest limits when they are lost", () => {
    const pair = connect(limits(), small)
    const { client, server } = pair
    const id = client.streams.open(false)
    client.streams.write(id, pattern(id, 0, 10_000))
    const grants: Array<Packet> = []
    for (let round = 0; round < 3; round++) {
      for (let packet = client.transmit(); packet !== undefined; packet = client.transmit()) {
        server.receive(packet)
        client.acked(packet)
      }
      while (server.streams.read(id, 5000) !== undefined);
      const grant = server.transmit()!
      client.receive(grant)
      grants.push(grant)
    }
    expect(kinds(grants[2])).toEqual([FrameType.MAX_DATA, FrameType.MAX_STREAM_DATA])
    server.lost(grants[0])
    server.lost(grants[1])
    expect(server.streams.hasFrames()).toBe(false)
    server.lost(grants[2])
    expect(server.transmit()?.frames).toEqual(grants[2].frames)
  })

  // RFC 9000 §13.3 #S1
  it("stops granting stream credit once the final size is known or reading has stopped", () => {
    for (const end of ["fin", "stop", "reset"] as const) {
      const pair = connect(limits(), small)
      const { streams } = pair.server
      streams.received.onStream(0, 0, pattern(0, 0, 1500), 0, 1500, end === "fin")
      if (end === "stop") streams.stop(0, 1)
      if (end === "reset") streams.received.onResetStream(0, 1, 1500)
      streams.read(0, 1200)
      expect(kinds(pair.server.transmit())).not.toContain(FrameType.MAX_STREAM_DATA)
      // connection credit is still returned
      if (end !== "fin") expect(streams.stats().consumed).toBe(1500)
    }
  })

  it("lets the connection's window follow the largest stream's", () => {
    const pair = connect(limits(), limits({ initialMaxStreamDataBidiRemote: 10_000, initialMaxData: 15_000 }))
    const id = pair.client.streams.open(false)
    for (let written = 0; written < 500_000; ) {
      written += pair.client.streams.write(id, new Uint8Array(100_000))
      exchange(pair)
      while (pair.server.streams.read(id, 100_000) !== undefined);
      pair.server.nowMicros += 10_000
    }
    const { receiveWindow } = pair.server.streams.stats()
    expect(receiveWindow).toBeGreaterThan(60_000)
    expect(receiveWindow % 15_000).toBe(0)
  })

  it("keeps correct accounts when streams are abandoned half read", () => {
    const pair = connect()
    const { client, server } = pair
    for (let i = 0; i < 50; i++) {
      const id = client.streams.open(i % 2 === 0)
      client.streams.write(id, pattern(id, 0, 3000))
      const packet = client.transmit()!
      if (i % 3 !== 0) server.receive(packet)
      server.streams.read(id, 100)
      if (i % 3 === 1) server.streams.stop(id, 5)
      client.streams.reset(id, 6)
      exchange(pair)
      server.streams.read(id, 100)
    }
    exchange(pair)
    const { consumed, received } = server.streams.stats()
    expect(consumed).toBe(received)
    expect(received).toBe(client.streams.stats().sendCreditUsed)
  })
})
