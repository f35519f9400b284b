import { describe, expect, it } from "vitest"
import { MIN_RESET_BYTES } from "../../src/path/statelessReset.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { Level, PacketType } from "../../src/wire/PacketType.ts"
import { parseVersionNegotiation, writeVersionNegotiation } from "../../src/wire/versionPackets.ts"
import { Duel, puppetAddress } from "./Duel.ts"

const initialOf = (version: number, size: number): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(size))
  w.u8(0xc3)
  w.u32(version)
  w.u8(8)
  w.copy(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
  w.u8(5)
  w.copy(Uint8Array.of(9, 8, 7, 6, 5))
  return w.bytes
}

const routed = (duel: Duel, datagram: Uint8Array) =>
  duel.endpoint.handleDatagram(datagram, puppetAddress, 0, duel.nowMicros)

const random = (length: number): Uint8Array => new Uint8Array(length).fill(0x2a)

describe("an endpoint", () => {
  const repliesTo = (datagram: Uint8Array, duel = new Duel({ victim: "server" })): Array<Uint8Array> => {
    duel.endpoint.handleDatagram(datagram, puppetAddress, 0, duel.nowMicros)
    const replies: Array<Uint8Array> = []
    for (let reply = duel.endpoint.pollReply(); reply !== undefined; reply = duel.endpoint.pollReply())
      replies.push(reply.bytes)
    return replies
  }

  // RFC 9000 §17.2.1 #3 #4, §5.2.2 #S1 #S2
  it("answers an unsupported version with the supported ones", () => {
    const [reply] = repliesTo(initialOf(0x1a2a3a4a, 1200))
    const header = new PacketHeader()
    expect(parsePacketHeader(reply, 0, reply.length, 8, header)).toBe(true)
    expect(header.type).toBe(PacketType.VersionNegotiation)
    expect(reply.subarray(header.dcidStart, header.dcidEnd)).toEqual(Uint8Array.of(9, 8, 7, 6, 5))
    expect(reply.subarray(header.scidStart, header.scidEnd)).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    expect(parseVersionNegotiation(reply, header)).toContain(1)
  })

  // RFC 9000 §5.2.2 #1, §6.1 #1, §17.2 #S1 #S2
  it("answers it whatever its connection IDs, and once, RFC 9000 §17.2.1 #5 #6", () => {
    for (const [destination, source] of [
      [0, 0],
      [30, 255],
      [1, 21]
    ]) {
      const w = new ByteWriter(new Uint8Array(2400))
      for (let packet = 0; packet < 2; packet++) {
        w.u8(0x80)
        w.u32(0x1a2a3a4a)
        w.u8(destination)
        w.fill(1, destination)
        w.u8(source)
        w.fill(2, source)
      }
      const replies = repliesTo(w.bytes)
      expect(replies.map((reply) => [reply[5], reply.length > 15])).toEqual([[source, true]])
    }
  })

  it("does not answer a small datagram of another version, nor Version Negotiation itself", () => {
    expect(repliesTo(initialOf(0x1a2a3a4a, 1199))).toEqual([])
    expect(repliesTo(initialOf(0, 1200))).toEqual([])
  })

  it("drops Initials in datagrams below 1200 bytes, and those with a short connection ID", () => {
    const duel = new Duel({ victim: "server" })
    const { puppet } = duel
    puppet.outbox.length = 0
    duel.inject(puppet.packet(Level.Initial, writePing, { size: 1199 }))
    expect(duel.endpoint.connections.size).toBe(0)
    duel.inject(puppet.packet(Level.Initial, writePing, { size: 1200, destination: new Uint8Array(7) }))
    expect(duel.endpoint.connections.size).toBe(0)
    expect(duel.sent).toEqual([])
  })

  it("keeps no state for an Initial that does not authenticate", () => {
    const duel = new Duel({ victim: "server" })
    const [initial] = duel.puppet.outbox.splice(0)
    initial[1100] ^= 1
    duel.inject(initial)
    expect(duel.endpoint.connections.size).toBe(0)
    expect(duel.sent).toEqual([])
  })

  it("answers packets of unknown connections with smaller stateless resets", () => {
    const duel = new Duel({ victim: "server" })
    for (const size of [22, 30, 43, 44, 60, 100, 1200, 1500]) {
      const unknown = random(size)
      unknown[0] = 0x41
      const [reset, ...more] = repliesTo(unknown, duel)
      expect(more).toEqual([])
      expect(reset.length).toBeLessThan(size)
      expect(reset.length).toBeGreaterThanOrEqual(MIN_RESET_BYTES)
      expect(reset[0] & 0xc0).toBe(0x40)
    }
    const small = random(21)
    small[0] = 0x41
    expect(repliesTo(small, duel)).toEqual([])
  })

  it("resets with the token it declared for the connection, so that the client recognizes it", () => {
    const duel = new Duel({ victim: "server" }).shakeHands()
    const { puppet } = duel
    const issued = puppet.seen.named("onNewConnectionId")[0].bytes!
    duel.endpoint.forget(duel.connection)
    const datagram = puppet.packet(Level.OneRtt, writePing, { destination: issued, size: 100 })
    const [reset] = repliesTo(datagram, duel)
    const [again] = repliesTo(datagram, duel)
    expect(reset.slice(-16)).toEqual(again.slice(-16))
    expect(reset.slice(-16)).toEqual(duel.connection.config.makeResetToken(issued))
  })

  // RFC 9000 §10.2 #S3
  it("routes nothing to a closed connection, whichever of its connection IDs is used", () => {
    for (const victim of ["client", "server"] as const) {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet, connection } = duel
      const ids = puppet.seen.named("onNewConnectionId").map((frame) => frame.bytes!)
      ids.push(puppet.destination)
      connection.close(0, "", duel.nowMicros)
      duel.exchange()
      for (const destination of ids)
        expect(routed(duel, puppet.packet(Level.OneRtt, writePing, { destination }))).toBe(connection)
      duel.advance(10_000_000)
      for (const destination of ids)
        expect(routed(duel, puppet.packet(Level.OneRtt, writePing, { destination }))).toBeUndefined()
    }
  })

  it("limits what it sends to strangers", () => {
    const duel = new Duel({ victim: "server" })
    const unknown = random(100)
    unknown[0] = 0x41
    let sent = 0
    for (let i = 0; i < 1_000; i++) sent += repliesTo(unknown.slice(), duel).length
    expect(sent).toBe(63)
    duel.nowMicros += 100_000
    for (let i = 0; i < 1_000; i++) sent += repliesTo(unknown.slice(), duel).length
    expect(sent).toBe(63 + 50)
  })
})

describe("a client that receives Version Negotiation", () => {
  const meet = (versions: ReadonlyArray<number>, forged = false): Duel => {
    const duel = new Duel({ victim: "client" })
    duel.drainVictim()
    duel.puppet.outbox.length = 0
    const { originalDestination } = duel.connection.handshake.ids
    const source = forged ? new Uint8Array(8) : originalDestination
    const packet = writeVersionNegotiation(duel.puppet.destination, source, versions, random)
    return duel.inject(packet)
  }

  // RFC 9000 §6.2 #1
  it("fails if it supports none of the versions, and reports them", () => {
    const { connection } = meet([0xff00001d, 0x1a2a3a4a])
    expect(connection.closeReason).toMatchObject({ origin: "versionNegotiation" })
    expect(connection.firstFlight!.offeredVersions).toEqual([0xff00001d, 0x1a2a3a4a])
    expect(connection.lifecycle.state).toBe("closed")
  })

  // RFC 9000 §6.2 #3
  it("ignores one that lists the version in use, and one with a wrong connection ID", () => {
    expect(meet([1, 0x1a2a3a4a]).connection.closeReason).toBeUndefined()
    expect(meet([0x1a2a3a4a], true).connection.closeReason).toBeUndefined()
  })

  // RFC 9000 §6.2 #2
  it("ignores one after a packet from the server", () => {
    const duel = new Duel({ victim: "client" }).exchange()
    const { originalDestination } = duel.connection.handshake.ids
    duel.inject(writeVersionNegotiation(duel.puppet.destination, originalDestination, [0x1a2a3a4a], random))
    expect(duel.connection.closeReason).toBeUndefined()
  })
})

describe("a client that receives Retry", () => {
  // RFC 9000 §17.2.5.2 #1
  it("follows the first and ignores later ones", () => {
    const duel = new Duel({ victim: "client", puppet: { retry: true } })
    duel.drainVictim()
    const [retry] = duel.puppet.outbox
    duel.exchange()
    expect(duel.connection.lifecycle.state).toBe("established")
    const sent = duel.sent.length
    duel.inject(retry)
    expect(duel.sent.length).toBe(sent)
    expect(duel.connection.closeReason).toBeUndefined()
  })

  it("ignores one after an Initial of the server, RFC 9000 §17.2.5.2 #2", () => {
    const retrying = new Duel({ victim: "client", puppet: { retry: true } })
    retrying.drainVictim()
    const [retry] = retrying.puppet.outbox
    // the same seed makes the same client
    const duel = new Duel({ victim: "client" })
    duel.drainVictim()
    duel.inject(duel.puppet.outbox.splice(0)[0])
    const sent = duel.sent.length
    duel.inject(retry)
    expect(duel.connection.parts.token).toBeUndefined()
    expect(duel.sent.length).toBe(sent)
    const control = new Duel({ victim: "client" })
    control.drainVictim()
    control.puppet.outbox.length = 0
    control.inject(retry)
    expect(control.connection.parts.token).toBeDefined()
  })

  // RFC 9000 §17.2.5.2 #3
  it("ignores one whose integrity tag is wrong", () => {
    const duel = new Duel({ victim: "client", puppet: { retry: true } })
    duel.drainVictim()
    const [retry] = duel.puppet.outbox.splice(0)
    const sent = duel.sent.length
    for (let i = 0; i < retry.length; i++) {
      const forged = retry.slice()
      forged[i] ^= 0x01
      duel.inject(forged)
    }
    expect(duel.sent.length).toBe(sent)
    expect(duel.connection.closeReason).toBeUndefined()
  })
})
