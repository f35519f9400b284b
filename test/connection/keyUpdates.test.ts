/** Key updates of both sides, and how long keys and packet numbers last. RFC 9001 §6 */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { HandshakeType } from "../../src/handshake/messages.ts"
import type { PacketKeys } from "../../src/protect/PacketKeys.ts"
import { writeHandshakeDone, writePing } from "../../src/wire/frameWriters.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

/** The victim updates its keys and has something to send. */
const update = (duel: Duel): void => {
  duel.connection.updateKeys()
  duel.connection.ping()
  duel.exchange()
}

/** Lets the puppet read what it received in the next key phase. */
const follow = ({ puppet }: Duel): void => {
  puppet.updateKeys()
  puppet.receive(new Uint8Array(0))
}

const received = ({ connection }: Duel): number => connection.receiver.counters.received

/** A packet that no key decrypts. */
const forged = (duel: Duel, level: Level): Uint8Array => {
  const packet = duel.puppet.packet(level, writePing, { size: 60 })
  packet[packet.length - 1] ^= 1
  return packet
}

const limitFailures = (keys: PacketKeys | undefined, integrityLimit: number): void => {
  Object.assign(keys!, { cipher: { ...keys!.cipher, integrityLimit } })
}

for (const victim of roles)
  describe(`a key update of a ${victim}`, () => {
    it("is not followed by another before one of its packets is acknowledged, RFC 9001 §6.1 #2", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      update(duel)
      expect(connection.keys.phases.updates).toBe(1)
      follow(duel)
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      // the previous phase's keys are gone by now
      duel.advance(5 * connection.path.recovery.ptoMicros())
      update(duel)
      expect(connection.keys.phases.updates).toBe(1)
      duel.inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt)))
      expect(connection.keys.phases.updates).toBe(1)
      // §6.5 #S1
      const wait = 3 * connection.path.recovery.ptoMicros()
      duel.advance(wait - 2)
      update(duel)
      expect(connection.keys.phases.updates).toBe(1)
      duel.advance(2)
      update(duel)
      expect(connection.keys.phases.updates).toBe(2)
    })

    it("leaves the old keys in use until the peer follows, RFC 9001 §6.1 #3", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      update(duel)
      duel.advance(5_000_000)
      const before = received(duel)
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      expect(received(duel)).toBe(before + 1)
      expect(connection.keys.phases.updates).toBe(1)
    })
  })

for (const victim of roles)
  describe(`a ${victim} whose peer updates its keys`, () => {
    it("follows before it acknowledges that, RFC 9001 §6.2 #1 #2", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      // from here on the puppet cannot read the previous phase
      puppet.updateKeys()
      const number = puppet.nextPacketNumber[Space.Application]
      duel.inject(puppet.packet(Level.OneRtt, writePing)).advance(100_000)
      expect(connection.keys.phases.bit).toBe(1)
      expect(puppet.seen.named("onAck").at(-1)?.values[0]).toBe(number)
    })

    it("still reads earlier packets, RFC 9001 §6.1 #S1, §6.3 #2", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet } = duel
      const late = puppet.packet(Level.OneRtt, writePing)
      puppet.updateKeys()
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      const before = received(duel)
      duel.inject(late)
      expect(received(duel)).toBe(before + 1)
      expect(duel.connection.closeReason).toBeUndefined()
    })

    it("reads packets of the old phase for three PTOs, and no longer, RFC 9001 §6.5 #S2 #S3", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      const late = [puppet.packet(Level.OneRtt, writePing), puppet.packet(Level.OneRtt, writePing)]
      puppet.updateKeys()
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      const before = received(duel)
      duel.nowMicros += 3 * connection.path.recovery.ptoMicros() - 1
      duel.puppet.outbox.push(late[0])
      duel.deliver()
      expect(received(duel)).toBe(before + 1)
      duel.nowMicros += 1
      duel.puppet.outbox.push(late[1])
      duel.deliver()
      expect(received(duel)).toBe(before + 1)
    })

    it("reads nothing more under the old keys, RFC 9001 §5.5 #1, §6.4", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet } = duel
      const old = puppet.write[Level.OneRtt]!
      puppet.updateKeys()
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      const before = received(duel)
      duel.inject(puppet.packet(Level.OneRtt, writePing, { keys: old, phase: 0 }))
      duel.inject(puppet.packet(Level.OneRtt, writePing, { keys: old }))
      expect(received(duel)).toBe(before)
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      expect(received(duel)).toBe(before + 1)
    })

    it("with the wrong keys drops the packet, and keeps its current and next keys, RFC 9001 §5.5 #2, §6.3 #1 #S1, §9.5 #S1", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      const before = received(duel)
      for (let i = 0; i < 20; i++) duel.inject(puppet.packet(Level.OneRtt, writePing, { phase: 1 }))
      expect(received(duel)).toBe(before)
      expect(connection.keys.phases.bit).toBe(0)
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      expect(received(duel)).toBe(before + 1)
      for (let phase = 1; phase <= 3; phase++) {
        puppet.updateKeys()
        duel.inject(puppet.packet(Level.OneRtt, writePing)).advance(1_000_000)
        expect(received(duel)).toBe(before + 1 + phase)
      }
    })
  })

describe("a premature key update", () => {
  it("waits for the handshake to be confirmed, RFC 9001 §6.1 #1", () => {
    const duel = new Duel({ victim: "client" }).exchange()
    const { connection, puppet } = duel
    duel.inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt)))
    update(duel)
    expect(connection.handshake).toMatchObject({ complete: true, confirmed: false })
    expect(connection.keys.phases.updates).toBe(0)
    duel.inject(puppet.packet(Level.OneRtt, writeHandshakeDone))
    expect(connection.keys.phases.updates).toBe(1)
  })

  it("by a client whose handshake is not complete is not even read, RFC 9001 §5.7 #1 #2", () => {
    const duel = new Duel({
      victim: "server",
      puppet: { tamper: (message) => (message[0] === HandshakeType.finished ? undefined : message) }
    }).exchange()
    const { connection, puppet } = duel
    const before = received(duel)
    duel.inject(puppet.packet(Level.OneRtt, writePing))
    puppet.updateKeys("write")
    duel.inject(puppet.packet(Level.OneRtt, writePing))
    expect(received(duel)).toBe(before)
    expect(connection.keys.phases.updates).toBe(0)
    expect(connection.lifecycle.state).toBe("handshaking")
  })
})

for (const victim of roles)
  describe(`the keys of a ${victim}`, () => {
    it("are updated without being asked (A5) long before their limits, RFC 9001 §5.3 #3, §6.6 #1 #3", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { keys } = duel.connection
      expect(keys.write[Level.OneRtt]!.sealed).toBeGreaterThan(0)
      keys.write[Level.OneRtt]!.sealed = 2 ** 22 + 1
      duel.connection.ping()
      duel.exchange()
      expect(keys.phases.updates).toBe(1)
      expect(keys.write[Level.OneRtt]!.sealed).toBe(1)
    })

    it("are not used beyond their limit if they cannot be updated, RFC 9001 §6.6 #2 #4 #S1", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      update(duel) // the puppet does not follow
      connection.keys.write[Level.OneRtt]!.sealed = 2 ** 23
      const sent = duel.sent.length
      connection.ping()
      duel.exchange()
      expect(connection.closeReason).toMatchObject({ origin: "local", code: Code.AEAD_LIMIT_REACHED })
      for (let i = 0; i < 5; i++) duel.inject(puppet.packet(Level.OneRtt, writePing))
      duel.advance(10_000_000)
      expect(duel.sent.length).toBe(sent)
      expect(duel.endpoint.connections.size).toBe(0)
      // from now on it answers with stateless resets
      duel.inject(puppet.packet(Level.OneRtt, writePing, { size: 100 }))
      expect(duel.sent.length).toBe(sent + 1)
    })

    it("are abandoned after too many packets that fail authentication, RFC 9001 §6.6 #5 #6", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      limitFailures(connection.keys.read[Level.OneRtt], 3)
      for (let i = 0; i < 3; i++) duel.inject(forged(duel, Level.OneRtt))
      expect(connection.closeReason).toBeUndefined()
      const before = received(duel)
      puppet.outbox.push(forged(duel, Level.OneRtt), puppet.packet(Level.OneRtt, writePing))
      duel.exchange()
      expect(puppet.seen.close).toMatchObject({ application: false, code: Code.AEAD_LIMIT_REACHED })
      expect(received(duel)).toBe(before)
    })

    it("do not outlast the packet numbers: the connection ends silently, RFC 9000 §12.3 #3", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { recovery } = duel.connection.path
      const last = recovery.begin(Space.Application)
      last.packetNumber = Number.MAX_SAFE_INTEGER - 1
      recovery.commit(last, 100, false, false, duel.nowMicros)
      const sent = duel.sent.length
      duel.connection.ping()
      duel.exchange()
      expect(duel.connection.lifecycle.isOpen).toBe(false)
      duel.advance(10_000_000)
      expect(duel.sent.length).toBe(sent)
    })
  })

it("handshake packets that fail authentication count as well, RFC 9001 §6.6 #5", () => {
  const duel = new Duel({
    victim: "server",
    puppet: { tamper: (message) => (message[0] === HandshakeType.finished ? undefined : message) }
  }).exchange()
  limitFailures(duel.connection.keys.read[Level.Handshake], 3)
  for (let i = 0; i < 4; i++) duel.inject(forged(duel, Level.Handshake))
  expect(duel.connection.closeReason).toMatchObject({ code: Code.AEAD_LIMIT_REACHED })
})
