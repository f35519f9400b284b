import { describe, expect, it } from "vitest"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"

const sum = (sizes: ReadonlyArray<number>): number => sizes.reduce((total, size) => total + size, 0)

/** A server that has received the client's Initials, and a client that then falls silent. */
const silentClient = (): { readonly duel: Duel; readonly received: number } => {
  const duel = new Duel({
    victim: "server",
    transport: { handshakeTimeout: 300_000, maxIdleTimeout: 300_000 }
  })
  const received = sum(duel.puppet.outbox.map((datagram) => datagram.length))
  duel.receive = (datagram) => duel.sent.push(datagram.length)
  duel.exchange()
  return { duel, received }
}

describe("a server", () => {
  // RFC 9000 §8 #1, §8.1 #1, §14.1 #4
  it("never sends an unvalidated address more than three times what it received, however long it waits", () => {
    const { duel, received } = silentClient()
    expect(sum(duel.sent)).toBeGreaterThan(0)
    duel.advance(120_000_000)
    expect(sum(duel.sent)).toBeLessThanOrEqual(3 * received)
  })

  it("arms only the handshake timeout while it may not send", () => {
    const { duel } = silentClient()
    duel.advance(60_000_000)
    const due = duel.connection.timeout(duel.nowMicros)
    expect(due - duel.nowMicros).toBeGreaterThan(100_000_000)
  })

  // RFC 9000 §8.1 #2
  it("counts every datagram as credit, even undecryptable ones", () => {
    const { duel, received } = silentClient()
    duel.advance(60_000_000)
    const noise = duel.puppet.packet(Level.Initial, writePing, { size: 1200 })
    noise[1199] ^= 1
    duel.inject(noise).advance(60_000_000)
    expect(sum(duel.sent)).toBeGreaterThan(received)
    expect(sum(duel.sent)).toBeLessThanOrEqual(3 * (received + 1200))
  })

  it("sends no ack-eliciting Initial while it may not send 1200 bytes, RFC 9000 §14.1 #2", () => {
    const { duel } = silentClient()
    const initials: Array<number> = []
    duel.receive = (datagram) => {
      duel.sent.push(datagram.length)
      if ((datagram[0] & 0xb0) === 0x80) initials.push(datagram.length)
    }
    duel.advance(60_000_000)
    for (const size of [60, 200, 300, 390, 400, 500]) {
      const noise = duel.puppet.packet(Level.Initial, writePing, { size })
      noise[size - 1] ^= 1
      const wakeups = duel.wakeups
      duel.inject(noise).advance(60_000_000)
      expect(duel.wakeups - wakeups).toBeLessThan(30)
    }
    expect(initials.length).toBeGreaterThan(0)
    expect(Math.min(...initials)).toBeGreaterThanOrEqual(1200)
  })

  it("continues when the client's address is validated", () => {
    const { duel } = silentClient()
    duel.advance(2_000_000)
    const lost = duel.sent.length
    duel.receive = (datagram) => {
      duel.sent.push(datagram.length)
      duel.puppet.receive(datagram)
    }
    // the client's PTO: an Initial with a PING
    duel.inject(duel.puppet.packet(Level.Initial, writePing, { size: 1200 }))
    for (let i = 0; i < 20 && !duel.puppet.complete; i++) {
      duel.advance(1_000_000)
      duel.inject(duel.puppet.packet(Level.Initial, writePing, { size: 1200 }))
    }
    expect(duel.puppet.complete).toBe(true)
    duel.exchange()
    expect(duel.connection.lifecycle.state).toBe("established")
    expect(duel.sent.length).toBeGreaterThan(lost)
  })
})

describe("a client", () => {
  // RFC 9000 §8.1 #3 #5, §14.1 #1, RFC 9001 §9.3 #1, RFC 9000 §6 #S1
  it("keeps probing with full-sized Initials when the server's flight is lost", () => {
    const duel = new Duel({ victim: "client", transport: { handshakeTimeout: 60_000 } })
    let losing = true
    duel.receive = (datagram) => {
      duel.sent.push(datagram.length)
      if (!losing) duel.puppet.receive(datagram)
    }
    duel.exchange().advance(5_000_000)
    expect(duel.sent.length).toBeGreaterThan(3)
    expect(Math.min(...duel.sent)).toBe(1200)
    losing = false
    duel.advance(20_000_000)
    expect(duel.connection.lifecycle.state).toBe("established")
  })

  // RFC 9000 §8.1 #4
  it("with nothing in flight still probes, so that a blocked server can continue", () => {
    // the server's Initial arrives, its Handshake packets are lost, and it is now at its limit
    const duel = new Duel({ victim: "client", transport: { handshakeTimeout: 60_000 } })
    duel.drainVictim()
    const [first] = duel.puppet.outbox.splice(0)
    duel.inject(first)
    const sent = duel.sent.length
    duel.advance(3_000_000)
    expect(duel.sent.length).toBeGreaterThan(sent)
  })
})
