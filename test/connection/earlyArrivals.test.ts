/** Packets that arrive before their keys are handled with the metadata of their arrival. RFC 9001 §5.7 */
import { describe, expect, it } from "vitest"
import { Ecn } from "../../src/recovery/ReceivedPackets.ts"
import { AckFrame } from "../../src/wire/AckFrame.ts"
import { writePathChallenge } from "../../src/wire/frameWriters.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { Duel, puppetAddress } from "./Duel.ts"

/** A server without the client's Finished, which the puppet withholds. */
const awaitingFinished = () => {
  const duel = new Duel({ victim: "server" })
  while (!duel.puppet.complete) {
    duel.deliver()
    duel.drainVictim()
  }
  const finished = duel.puppet.outbox.splice(0)
  expect(duel.connection.keys.read[Level.OneRtt]).toBeUndefined()
  return { duel, finished }
}

describe("a 1-RTT packet that overtakes the client's Finished", () => {
  it("is answered on the route it arrived by, whichever route completed the handshake", () => {
    const { duel, finished } = awaitingFinished()
    const { connection, endpoint, puppet } = duel
    const { routes } = connection.path
    const elsewhere = { ...puppetAddress, port: 9 }
    const route = routes.make(elsewhere, 0, true)
    routes.keep(route)
    const challenge = puppet.packet(Level.OneRtt, (w) => writePathChallenge(w, new Uint8Array(8).fill(5)))
    endpoint.handleDatagram(challenge, elsewhere, Ecn.NotEct, duel.nowMicros)
    expect(route.validator.hasFrames()).toBe(false)
    puppet.outbox.push(...finished)
    duel.deliver()
    expect(connection.handshake.complete).toBe(true)
    expect(route.validator.pollResponse()).toEqual(new Uint8Array(8).fill(5))
    expect(routes.current.validator.pollResponse()).toBeUndefined()
  })

  it("counts with its own arrival time and ECN mark, RFC 9000 §13.2.5 #S1, §13.4.1", () => {
    const { duel, finished } = awaitingFinished()
    const { connection, endpoint, puppet } = duel
    const packet = puppet.packet(Level.OneRtt, (w) => writePathChallenge(w, new Uint8Array(8)))
    const arrived = duel.nowMicros
    endpoint.handleDatagram(packet, puppetAddress, Ecn.Ce, arrived)
    duel.nowMicros += 5_000
    puppet.outbox.push(...finished)
    duel.deliver()
    const received = connection.path.received[Space.Application]
    expect(received.largest).toBe(puppet.nextPacketNumber[Space.Application] - 1)
    const ack = new AckFrame()
    received.fillAck(ack, duel.nowMicros, 0)
    expect(ack).toMatchObject({ delayRaw: 5_000, ce: 1 })
  })
})
