/** Encryption levels: what is sent at which level, and when keys are discarded. RFC 9001 §4 */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { HandshakeType } from "../../src/handshake/messages.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const hasKeys = ({ connection: { keys } }: Duel, level: Level): boolean =>
  keys.read[level] !== undefined || keys.write[level] !== undefined

const seenAt = (duel: Duel, level: Level): number =>
  duel.puppet.seen.frames.filter((frame) => frame.level === level).length

describe("Initial keys", () => {
  it("are discarded by a client with its first Handshake packet, RFC 9001 §4.9.1 #1 #2", () => {
    const duel = new Duel({ victim: "client" })
    duel.drainVictim()
    expect(hasKeys(duel, Level.Initial)).toBe(true)
    duel.exchange()
    expect(seenAt(duel, Level.Handshake)).toBeGreaterThan(0)
    expect(hasKeys(duel, Level.Initial)).toBe(false)
    const before = seenAt(duel, Level.Initial)
    duel.inject(duel.puppet.packet(Level.Initial, writePing, { size: 1200 })).advance(5_000_000)
    expect(seenAt(duel, Level.Initial)).toBe(before)
  })

  it("are discarded by a server with the first Handshake packet it processes, RFC 9001 §4.9.1 #1 #2", () => {
    const duel = new Duel({
      victim: "server",
      puppet: { tamper: (message) => (message[0] === HandshakeType.finished ? undefined : message) }
    }).exchange()
    expect(hasKeys(duel, Level.Initial)).toBe(true)
    duel.inject(duel.puppet.packet(Level.Handshake, writePing))
    expect(hasKeys(duel, Level.Initial)).toBe(false)
    const before = seenAt(duel, Level.Initial)
    duel.inject(duel.puppet.packet(Level.Initial, writePing, { size: 1200 })).advance(2_000_000)
    expect(seenAt(duel, Level.Initial)).toBe(before)
  })
})

for (const victim of roles)
  describe(`a ${victim}`, () => {
    it("discards its Handshake keys when the handshake is confirmed, RFC 9001 §4.9.2", () => {
      const duel = new Duel({ victim }).exchange()
      expect(hasKeys(duel, Level.Handshake)).toBe(!duel.connection.handshake.confirmed)
      duel.shakeHands()
      expect(duel.connection.handshake.confirmed).toBe(true)
      expect(hasKeys(duel, Level.Handshake)).toBe(false)
    })

    it("sends no new data at a lower level than it has keys for, RFC 9001 §4.9 #2", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      const streams = connection.streams
      streams.write(streams.open(false), new Uint8Array(5_000))
      duel.exchange()
      const messages = puppet.seen.named("onCrypto").filter(({ values }) => values[0] === 0)
      expect(messages.map(({ level, bytes }) => [level, bytes![0]])).toEqual(
        victim === "client"
          ? [
              [Level.Initial, HandshakeType.client_hello],
              [Level.Handshake, HandshakeType.finished]
            ]
          : [
              [Level.Initial, HandshakeType.server_hello],
              [Level.Handshake, HandshakeType.encrypted_extensions]
            ]
      )
      const data = puppet.seen.named("onStream")
      expect(data.length).toBeGreaterThan(0)
      expect(data.every(({ level }) => level === Level.OneRtt)).toBe(true)
    })

    it("sends no handshake message after the handshake, not even for a key update, RFC 9001 §4.4 #2 #3, §6 #1", () => {
      const duel = new Duel({ victim, requestClientCertificate: "request" }).shakeHands()
      const { connection, puppet } = duel
      connection.updateKeys()
      connection.ping()
      duel.exchange()
      expect(connection.keys.phases.updates).toBe(1)
      puppet.updateKeys()
      puppet.receive(new Uint8Array(0))
      duel.advance(5_000_000)
      const late = puppet.seen.named("onCrypto").filter(({ level }) => level === Level.OneRtt)
      expect(late).toEqual([])
    })

    it("accepts no 0-RTT packets without agreement, and a client none at all, RFC 9001 §5.6 #4", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      const before = connection.receiver.counters.received
      const keys = puppet.write[Level.OneRtt]!
      duel.inject(puppet.packet(Level.ZeroRtt, writePing, { keys, packetNumber: 60 }))
      expect(connection.receiver.counters.received).toBe(before)
      expect(connection.receiver.counters.dropped).toBeGreaterThan(0)
      duel.inject(puppet.packet(Level.OneRtt, writePing, { packetNumber: 60 }))
      expect(connection.receiver.counters.received).toBe(before + 1)
    })
  })
