/** What a peer can make an endpoint keep, at most. */
import { describe, expect, it } from "vitest"
import {
  writeNewConnectionId,
  writePathChallenge,
  writePing,
  writeStreamHeader
} from "../../src/wire/frameWriters.ts"
import { writeDatagram, writeRetireConnectionId } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { Duel } from "../connection/Duel.ts"
import { away, Roamer } from "../migration/Roamer.ts"
import { writeCrypto } from "../wire/writeCrypto.ts"
import { at, Siege } from "./Siege.ts"

describe("B7: every buffer has a limit:", () => {
  for (const victim of ["server", "client"] as const)
    it(`the CRYPTO data of a ${victim}'s peer: limits.handshakeBytes, until the handshake is complete`, () => {
      for (const [end, code] of [
        [20_000, undefined],
        [20_001, TransportErrorCode.CRYPTO_BUFFER_EXCEEDED]
      ] as const) {
        const duel = new Duel({ victim, limits: { handshakeBytes: 20_000 } })
        if (victim === "server") duel.inject(duel.puppet.outbox.splice(0)[0])
        else {
          duel.drainVictim()
          duel.puppet.outbox.length = 0
        }
        duel.connection.path.amplification.validate()
        const late = (offset: number) =>
          duel.puppet.packet(Level.Initial, (w) => writeCrypto(w, offset, new Uint8Array(10), 0, 10), {
            size: 1200
          })
        duel.inject(late(end - 10))
        expect(duel.puppet.seen.close?.code).toBe(code)
      }
    })

  it("the datagrams of an unfinished handshake: limits.handshakeDatagrams", () => {
    const siege = new Siege({ limits: { handshakeDatagrams: 20 } })
    const client = siege.client()
    siege.deliver(client.outbox.splice(0), at("198.51.100.1"))
    const [connection] = siege.endpoint.connections
    const ping = () => client.packet(Level.Initial, writePing, { size: 1200 })
    for (let i = 0; i < 100; i++) siege.deliver([ping()], at("198.51.100.1"))
    // the first datagram was one of them
    expect(connection.receiver.counters).toMatchObject({ overLimit: 81, received: 20 })
  })

  it("streams that were answered and whose peer acknowledges nothing: as many again as maxBidirectionalStreams", () => {
    const duel = new Duel({ victim: "server", transport: { maxBidirectionalStreams: 20 } }).shakeHands()
    const { puppet } = duel
    const { streams } = duel.connection
    const allowed = (): number =>
      Math.max(20, ...puppet.seen.named("onMaxStreams").map(({ values }) => Number(values[1])))
    let n = 0
    for (; n < allowed() && n < 1_000; n++) {
      duel.inject(puppet.packet(Level.OneRtt, (w) => writeStreamHeader(w, 4 * n, 0, 0, true)))
      streams.read(4 * n, 1)
      streams.write(4 * n, new Uint8Array(10))
      streams.finish(4 * n)
      duel.exchange()
    }
    expect(n).toBe(40)
    expect(duel.connection.closeReason).toBeUndefined()
  })

  it("datagrams that nobody reads: limits.unreadDatagramBytes, the oldest go first", () => {
    const duel = new Duel({
      victim: "server",
      transport: { maxDatagramFrameBytes: 1_200 },
      limits: { unreadDatagramBytes: 10_000 }
    }).shakeHands()
    const { datagrams } = duel.connection
    for (let i = 0; i < 200; i++)
      duel.inject(duel.puppet.packet(Level.OneRtt, (w) => writeDatagram(w, new Uint8Array(100).fill(i))))
    expect(datagrams.queuedBytes).toBeLessThanOrEqual(10_000)
    expect(datagrams.receiveDropped).toBe(200 - Math.floor(10_000 / 356))
    expect(datagrams.receive()![0]).toBe(200 - Math.floor(10_000 / 356))
  })

  it("reassembly: the window, however its bytes are scattered", () => {
    const duel = new Duel({
      victim: "server",
      transport: { streamWindowBytes: 20_000, connectionWindowBytes: 40_000, maxBidirectionalStreams: 10 }
    }).shakeHands()
    const { connection, puppet } = duel
    const byteAt = (id: number, offset: number): void => {
      duel.inject(
        puppet.packet(Level.OneRtt, (w) => {
          writeStreamHeader(w, id, offset, 1, false)
          w.u8(1)
        })
      )
    }
    for (let id = 0; id < 8; id += 4) for (let offset = 1; offset < 20_000; offset += 100) byteAt(id, offset)
    expect(connection.closeReason).toBeUndefined()
    expect(connection.streams.reorderBytes).toBeLessThanOrEqual(2 * 40_000)
    byteAt(8, 300)
    expect(puppet.seen.close?.code).toBe(TransportErrorCode.FLOW_CONTROL_ERROR)
  })

  it("path state: a current route, one to fall back to and four being probed, wherever packets come from", () => {
    const roamer = new Roamer()
    for (let sequence = 1; sequence < 8; sequence++)
      roamer.puppet.send(Level.OneRtt, (w) =>
        writeNewConnectionId(
          w,
          sequence,
          0,
          new Uint8Array(8).fill(sequence),
          new Uint8Array(16).fill(sequence)
        )
      )
    roamer.exchange()
    const ids = roamer.puppet.seen.named("onNewConnectionId").map(({ bytes }) => bytes!)
    for (let i = 1; i <= 200; i++) {
      roamer.from = away(i)
      roamer.puppet.send(Level.OneRtt, (w) => writePathChallenge(w, new Uint8Array(8).fill(i)), {
        destination: ids[i % ids.length]
      })
      roamer.deliver()
    }
    expect([...roamer.connection.path.routes.all].length).toBeLessThanOrEqual(6)
    expect(roamer.connection.closeReason).toBeUndefined()
  })

  it("connection IDs: eight of ours, and as many of the peer's as we declared, however often they change", () => {
    const duel = new Duel({ victim: "server" }).shakeHands()
    const { path } = duel.connection
    const before = duel.endpoint.routedIds
    for (let sequence = 1; sequence <= 60; sequence++) {
      duel.puppet.send(Level.OneRtt, (w) => {
        writeNewConnectionId(
          w,
          sequence,
          sequence,
          new Uint8Array(8).fill(sequence),
          new Uint8Array(16).fill(sequence)
        )
        if (sequence > 1) writeRetireConnectionId(w, sequence)
      })
      duel.exchange()
      expect(path.localIds.count).toBeLessThanOrEqual(8)
      expect(duel.endpoint.routedIds).toBeLessThanOrEqual(before + 8)
      expect(duel.endpoint.resetTokens).toBeLessThanOrEqual(8)
    }
    // it acknowledges none of our RETIRE_CONNECTION_ID, of which we keep a limited number. RFC 9000 §5.1.2
    expect(duel.puppet.seen.close?.code).toBe(TransportErrorCode.CONNECTION_ID_LIMIT_ERROR)
  })

  it("tickets: sixteen a connection", () => {
    const resumption = { nowMillis: () => 0, ticket: undefined, earlyData: false }
    const duel = new Duel({ victim: "client", memory: { addressToken: undefined, resumption } }).shakeHands()
    for (let i = 0; i < 100; i++) {
      // RFC 8446 §4.6.1: lifetime, age_add, a nonce of one byte, a ticket of two, no extensions
      const body = [0, 0, 1, 0, 0, 0, 0, 0, 1, i, 0, 2, i, i, 0, 0]
      duel.puppet.sendCrypto(Level.OneRtt, Uint8Array.of(4, 0, 0, body.length, ...body))
    }
    duel.exchange()
    expect(duel.connection.closeReason).toBeUndefined()
    expect(duel.events.filter(({ _tag }) => _tag === "ticket")).toHaveLength(16)
  })

  it("answers to strangers: what is not sent yet is what the limits let through", () => {
    const siege = new Siege({ retry: "always" })
    const initial = siege.client().outbox[0]
    for (let i = 0; i < 5_000; i++)
      siege.endpoint.handleDatagram(initial, at(`203.0.113.${i % 250}`, 1 + i), 0, siege.nowMicros)
    let waiting = 0
    while (siege.endpoint.pollReply() !== undefined) waiting++
    expect(waiting).toBeGreaterThan(100)
    expect(waiting).toBeLessThanOrEqual(500)
    expect(siege.endpoint.routedIds).toBe(0)
  })
})
