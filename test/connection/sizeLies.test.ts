/** Peers and paths that lie about the datagram sizes they accept. RFC 9000 §14, §18.2 */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"
import { ackRange } from "./Puppet.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

/** Stream bytes of the victim's received by the puppet, without duplicates. */
const delivered = (duel: Duel): number => {
  const offsets = new Map<number, number>()
  for (const { values, bytes } of duel.puppet.seen.named("onStream"))
    offsets.set(values[1] as number, Math.max(offsets.get(values[1] as number) ?? 0, bytes!.length))
  let end = 0
  for (const [offset, length] of [...offsets].sort(([a], [b]) => a - b))
    if (offset <= end) end = Math.max(end, offset + length)
  return end
}

/** Advances time while the puppet acknowledges everything it receives. */
const converse = (duel: Duel, seconds: number): void => {
  const { puppet } = duel
  for (let i = 0; i < seconds * 20 && duel.connection.lifecycle.isOpen; i++) {
    duel.advance(50_000)
    duel.inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt)))
  }
}

for (const victim of roles)
  describe(`a ${victim}`, () => {
    it("detects false acknowledgments of its MTU probes, and delivers everything all the same", () => {
      const duel = new Duel({ victim, transport: { maxDatagramBytes: 1452 } })
      const { puppet } = duel
      // drops everything larger than 1300 bytes
      duel.receive = (datagram) => {
        duel.sent.push(datagram.length)
        if (datagram.length <= 1300) puppet.receive(datagram)
      }
      duel.shakeHands()
      const { connection } = duel
      expect(duel.sent).toContain(1452)
      const probe = connection.path.recovery.nextPacketNumber(Space.Application) - 1
      expect(puppet.largestReceived[Space.Application]).toBeLessThan(probe)
      duel.inject(puppet.packet(Level.OneRtt, ackRange(probe, probe)))
      expect(connection.path.mtu.current).toBe(1452)
      const id = connection.streams.open(false)
      connection.streams.write(id, new Uint8Array(30_000))
      converse(duel, 20)
      expect(delivered(duel)).toBe(30_000)
      expect(connection.path.mtu.current).toBeLessThanOrEqual(1300)
      expect(connection.closeReason).toBeUndefined()
    })

    it("uses no datagram size before a probe of it is acknowledged, whatever the peer allows", () => {
      const duel = new Duel({
        victim,
        transport: { maxDatagramBytes: 1452 },
        puppet: { parameters: (honest) => ({ ...honest, maxUdpPayloadSize: 65_527 }) }
      })
      const { puppet } = duel
      duel.receive = (datagram) => {
        duel.sent.push(datagram.length)
        if (datagram.length <= 1200) puppet.receive(datagram)
      }
      duel.shakeHands()
      const id = duel.connection.streams.open(false)
      duel.connection.streams.write(id, new Uint8Array(30_000))
      converse(duel, 20)
      expect(delivered(duel)).toBe(30_000)
      expect(Math.max(...duel.sent)).toBeLessThanOrEqual(1452)
      // probes only
      expect(duel.sent.filter((size) => size > 1200).length).toBeLessThanOrEqual(3)
      expect(duel.connection.path.mtu.current).toBe(1200)
    })

    it("never exceeds the peer's max_udp_payload_size, though more would arrive, RFC 9000 §18.2", () => {
      const duel = new Duel({
        victim,
        transport: { maxDatagramBytes: 1452 },
        puppet: { parameters: (honest) => ({ ...honest, maxUdpPayloadSize: 1250 }) }
      }).shakeHands()
      converse(duel, 5)
      const id = duel.connection.streams.open(false)
      duel.connection.streams.write(id, new Uint8Array(30_000))
      converse(duel, 5)
      expect(delivered(duel)).toBe(30_000)
      expect(Math.max(...duel.sent)).toBe(1250)
    })

    it("accepts or drops a datagram above its own limit, and continues, RFC 9000 §14 #4", () => {
      const duel = new Duel({ victim, transport: { maxReceiveDatagramBytes: 1200 } }).shakeHands()
      const { puppet, connection } = duel
      duel.inject(puppet.packet(Level.OneRtt, writePing, { size: 9_000 }))
      const before = connection.receiver.counters.received
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      expect(connection.receiver.counters.received).toBe(before + 1)
      expect(connection.closeReason).toBeUndefined()
    })
  })
