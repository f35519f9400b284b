/** What a server keeps for a client without a validated address: as little as possible, and nothing afterwards. */
import { writeCrypto } from "../wire/writeCrypto.ts"
import { describe, expect, it } from "vitest"
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { writeConnectionClose } from "../../src/wire/frameWriters.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { Duel, puppetAddress } from "../connection/Duel.ts"

const noReason = new Uint8Array(0)

const crypto = (duel: Duel, offset: number, bytes: Uint8Array): Duel =>
  duel.inject(
    duel.puppet.packet(Level.Initial, (w) => writeCrypto(w, offset, bytes, 0, bytes.length), { size: 1200 })
  )

describe("a stranger", () => {
  it("that closes is forgotten at once, without draining", () => {
    const duel = new Duel({ victim: "server" })
    duel.deliver()
    const goodbye = duel.puppet.packet(Level.Initial, (w) => writeConnectionClose(w, false, 0, 0, noReason), {
      size: 1200
    })
    duel.inject(goodbye)
    expect(duel.connection.closeReason).toMatchObject({ origin: "peer" })
    expect(duel.connection.lifecycle.state).toBe("closed")
    expect(duel.endpoint.connections.size).toBe(0)
    expect(duel.endpoint.routedIds).toBe(0)
  })

  it("that is refused gets one CONNECTION_CLOSE, and is forgotten at once", () => {
    const duel = new Duel({ victim: "server", puppet: { alpn: ["unknown"] } }).exchange()
    expect(duel.puppet.seen.named("onConnectionClose")).toHaveLength(1)
    expect(duel.endpoint.connections.size).toBe(0)
    expect(duel.endpoint.routedIds).toBe(0)
    const sent = duel.sent.length
    duel.advance(10_000_000)
    expect(duel.sent.length).toBe(sent)
  })

  it("is issued no second connection ID before its handshake is complete", () => {
    const duel = new Duel({ victim: "server" })
    duel.receive = (datagram) => duel.sent.push(datagram.length)
    duel.exchange()
    expect(duel.connection.isAnswered).toBe(true)
    expect(duel.connection.path.localIds.count).toBe(1)
    expect(new Duel({ victim: "server" }).shakeHands().connection.path.localIds.count).toBeGreaterThan(1)
  })

  it("gets no answer to a ClientHello followed by CONNECTION_CLOSE", () => {
    const duel = new Duel({ victim: "server" })
    const hello = duel.puppet.outbox.splice(0)
    duel.inject(hello[0])
    const { connection } = duel
    duel.connection.handshake.advance = () => {
      throw new Error("the ClientHello was read")
    }
    const rest = (w: ByteWriter) => {
      writeCrypto(w, 8_000, new Uint8Array(10), 0, 10)
      writeConnectionClose(w, false, 0, 0, noReason)
    }
    duel.inject(duel.puppet.packet(Level.Initial, rest, { size: 1200 }))
    expect(connection.closeReason).toMatchObject({ origin: "peer" })
  })

  it("may send 16 kB of CRYPTO data and not a byte more, until its address is validated", () => {
    for (const [beyond, code] of [
      [0, undefined],
      [1, Code.CRYPTO_BUFFER_EXCEEDED]
    ] as const) {
      const duel = new Duel({ victim: "server" })
      const [first] = duel.puppet.outbox.splice(0)
      duel.inject(first)
      crypto(duel, 16 * 1024 - 10 + beyond, new Uint8Array(10))
      expect(duel.puppet.seen.close?.code).toBe(code)
    }
    const proven = new Duel({ victim: "server" })
    proven.inject(proven.puppet.outbox.splice(0)[0])
    proven.connection.path.amplification.validate()
    crypto(proven, 20_000, new Uint8Array(10))
    expect(proven.puppet.seen.close).toBeUndefined()
  })

  it("has at most 32 kB buffered of packets that arrive before their keys", () => {
    const duel = new Duel({ victim: "server" })
    duel.inject(duel.puppet.outbox.splice(0)[0])
    const { connection } = duel
    const handshake = (size: number): Uint8Array => {
      const bytes = new Uint8Array(size).fill(1)
      bytes.set([0xe0, 0, 0, 0, 1, 8, ...connection.parts.localInitialId, 0])
      bytes.set([0x80, 0, (size - 19) >> 8, (size - 19) & 0xff], 15)
      return bytes
    }
    const before = connection.receiver.counters.dropped
    for (let i = 0; i < 5; i++) duel.inject(handshake(8_000))
    expect(connection.receiver.counters.dropped - before).toBe(1)
    expect(connection.path.received[Space.Handshake].largest).toBe(-1)
  })
})

describe("a handshake that takes too long", () => {
  const limits = { transport: { handshakeTimeout: 1_000 } }

  it("ends with a CONNECTION_CLOSE to the server, which keeps no state", () => {
    const told = new Duel({ victim: "client", ...limits })
    told.exchange = () => {
      told.drainVictim()
      told.puppet.outbox.length = 0
      return told
    }
    told.exchange().advance(1_000_000)
    expect(told.puppet.seen.close?.code).toBe(Code.CONNECTION_REFUSED)
    expect(told.connection.closeReason).toMatchObject({ origin: "handshakeTimeout" })
    expect(told.connection.lifecycle.state).toBe("closed")
  })

  it("ends with a CONNECTION_CLOSE to a client with a validated address, repeated for three PTOs", () => {
    const duel = new Duel({ victim: "server", ...limits })
    const exchange = duel.exchange.bind(duel)
    // everything the client answers to the server's flight is lost
    duel.exchange = () => {
      duel.drainVictim()
      duel.puppet.outbox.length = 0
      return duel
    }
    duel.deliver()
    duel.exchange()
    const { puppet, connection } = duel
    connection.path.amplification.validate()
    duel.advance(1_000_000)
    expect(connection.closeReason).toMatchObject({ origin: "handshakeTimeout" })
    expect(connection.lifecycle.state).toBe("closing")
    expect(puppet.seen.close?.code).toBe(Code.CONNECTION_REFUSED)
    const before = puppet.seen.named("onConnectionClose").length
    duel.exchange = exchange
    duel.inject(puppet.packet(Level.Handshake, puppet.ackAll(Level.Handshake), { size: 1200 }))
    expect(puppet.seen.named("onConnectionClose").length).toBeGreaterThan(before)
  })

  it("that the server has forgotten is reset when the client continues it, RFC 9000 §10.3", () => {
    const duel = new Duel({ victim: "server" })
    duel.deliver()
    duel.drainVictim()
    const { puppet, connection, endpoint } = duel
    duel.puppet.outbox.length = 0
    endpoint.forget(connection)
    const straggler = puppet.packet(Level.Handshake, puppet.ackAll(Level.Handshake))
    expect(duel.endpoint.handleDatagram(straggler, puppetAddress, 0, duel.nowMicros)).toBeUndefined()
    const reset = endpoint.pollReply()!.bytes
    expect(reset.slice(-16)).toEqual(connection.config.makeResetToken(connection.parts.localInitialId))
    expect(reset.length).toBeLessThan(straggler.length)
  })
})
