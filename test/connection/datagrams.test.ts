/** DATAGRAM frames and the congestion window that delays them. RFC 9221 */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { DatagramQueue, datagramOverheadBytes } from "../../src/stream/DatagramQueue.ts"
import { datagramSize, writeDatagram } from "../../src/wire/frameWriters.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"
import { ackRange } from "./Puppet.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const seen = (duel: Duel): ReadonlyArray<number> =>
  duel.puppet.seen.named("onDatagram").map(({ bytes }) => bytes!.length)

for (const victim of roles)
  describe(`a ${victim}`, () => {
    it("queues datagrams while the window is full, RFC 9221 §5.4", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      connection.streams.write(connection.streams.open(false), new Uint8Array(90_000))
      duel.exchange()
      const { recovery } = connection.path
      expect(recovery.sendQuota(duel.nowMicros)).toBe(0)
      connection.datagrams.send(new Uint8Array(1_000), false)
      duel.exchange()
      expect(seen(duel)).toEqual([])
      duel.inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt))).advance(50_000)
      expect(seen(duel)).toEqual([1_000])
    })

    it("never has more in flight than the window, RFC 9002 §7 #2", () => {
      const duel = new Duel({ victim, transport: { maxDatagramBytes: 1452 } }).shakeHands()
      const { connection, puppet } = duel
      const { recovery } = connection.path
      connection.streams.write(connection.streams.open(false), new Uint8Array(90_000))
      let most = 0
      let acknowledged = -1
      for (let i = 0; i < 40; i++) {
        // an odd size now and then, so that whole datagrams do not always fill the window
        if (i % 3 === 0) connection.datagrams.send(new Uint8Array(100 + 37 * (i % 20)), false)
        duel.exchange().advance(1_000)
        expect(recovery.bytesInFlight).toBeLessThanOrEqual(recovery.congestionWindow)
        most = Math.max(most, recovery.bytesInFlight / recovery.congestionWindow)
        // one packet at a time
        const next = puppet.seen.frames.find(
          ({ level, packetNumber }) => level === Level.OneRtt && packetNumber > acknowledged
        )
        if (next === undefined) continue
        acknowledged = next.packetNumber
        duel.inject(puppet.packet(Level.OneRtt, ackRange(acknowledged, acknowledged)))
      }
      expect(most).toBeGreaterThan(0.8)
    })

    // RFC 9000 §12.2 #S1
    it("sends one as soon as possible, ahead of stream data and in the same packet, RFC 9221 §5 #S1", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      connection.streams.write(connection.streams.open(false), new Uint8Array(5_000))
      connection.datagrams.send(new Uint8Array(100), false)
      duel.exchange()
      const [datagram] = puppet.seen.named("onDatagram")
      const inStreams = puppet.seen.named("onStream").map(({ packetNumber }) => packetNumber)
      expect(Math.min(...inStreams)).toBe(datagram.packetNumber)
    })

    it("delivers one at once, despite earlier losses, and acknowledges it later, RFC 9221 §5 #S2, §5.2 #S1", () => {
      const duel = new Duel({ victim, transport: { maxDatagramFrameBytes: 1_000 } }).shakeHands()
      duel.advance(1_000_000)
      const { connection, puppet } = duel
      const receive = (packetNumber: number) =>
        duel.inject(
          puppet.packet(Level.OneRtt, (w) => writeDatagram(w, Uint8Array.of(packetNumber)), { packetNumber })
        )
      const acks = () => puppet.seen.named("onAck").length
      const next = puppet.nextPacketNumber[Space.Application]
      const before = acks()
      receive(next)
      expect(connection.datagrams.receive()).toEqual(Uint8Array.of(next))
      expect(acks()).toBe(before)
      duel.advance(25_000)
      expect(acks()).toBe(before + 1)
      receive(next + 5)
      expect(connection.datagrams.receive()).toEqual(Uint8Array.of(next + 5))
    })

    it("sends none larger than the peer allows, and none to a peer without support, RFC 9221 §3 #1 #2", () => {
      for (const maxDatagramFrameSize of [0, 50, 400]) {
        const duel = new Duel({
          victim,
          puppet: { parameters: (honest) => ({ ...honest, maxDatagramFrameSize }) }
        }).shakeHands()
        const { datagrams } = duel.connection
        for (let size = 1; size < 800; size += 7) datagrams.send(new Uint8Array(size), false)
        duel.exchange().advance(1_000_000)
        const sizes = seen(duel)
        expect(sizes.every((size) => datagramSize(size) <= maxDatagramFrameSize)).toBe(true)
        expect(sizes.length > 0).toBe(maxDatagramFrameSize > 0)
        expect(datagrams.hasFrames()).toBe(false)
      }
    })
  })

describe("a flood of empty datagrams", () => {
  const queue = new DatagramQueue(1200, 1_000_000, 1_000_000)
  for (let i = 0; i < 10_000; i++) queue.onDatagram(new Uint8Array(10), 5, 5, 2)

  it("is bounded by the queue, each counted with its overhead", () => {
    expect(queue.queuedBytes).toBeLessThanOrEqual(1_000_000)
    expect(queue.receiveDropped).toBe(10_000 - Math.floor(1_000_000 / datagramOverheadBytes))
  })

  it("shares no bytes among its readers, who may transfer them to other threads", () => {
    const [first, second] = [queue.receive(), queue.receive()]
    expect(first).toEqual(new Uint8Array(0))
    expect(second).toEqual(new Uint8Array(0))
    expect(first!.buffer).not.toBe(second!.buffer)
  })
})
