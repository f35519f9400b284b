/** Handshakes that once waited for one probe timeout after another. */
import { describe, expect, it } from "vitest"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { CorePair, type CorePairOptions } from "../connection/CorePair.ts"
import { Duel } from "../connection/Duel.ts"

const RTT_MICROS = 20_000

/** Milliseconds until both sides are established when the n-th datagrams to each side are lost. */
const handshakeMillis = (lost: {
  readonly client: ReadonlyArray<number>
  readonly server: ReadonlyArray<number>
}) => {
  const seen = { client: 0, server: 0 }
  const between: NonNullable<CorePairOptions["between"]> = (datagram, to) =>
    lost[to].includes(seen[to]++) ? undefined : datagram
  const pair = new CorePair({
    between,
    client: { handshakeTimeout: 60_000 },
    server: { handshakeTimeout: 60_000 }
  })
  const start = pair.nowMicros
  for (let i = 0; i < 3_000; i++) {
    pair.exchange()
    const done =
      pair.client.lifecycle.state === "established" && pair.server?.lifecycle.state === "established"
    if (done) return (pair.nowMicros - start) / 1000
    pair.advance(RTT_MICROS / 2)
  }
  throw new Error("no handshake in thirty seconds")
}

describe("a handshake takes", () => {
  it("no extra time when nothing is lost", () => {
    expect(handshakeMillis({ client: [], server: [] })).toBe(0)
  })

  it("less than a probe timeout when the first half of the server's flight is lost, and the client's answer too", () => {
    // ServerHello spans two datagrams; the ACK that reports the gap is lost once
    expect(handshakeMillis({ client: [1], server: [2] })).toBeLessThan(500)
  })

  it("less than a probe timeout when either datagram of the server's flight is lost", () => {
    expect(handshakeMillis({ client: [1], server: [] })).toBeLessThan(500)
    expect(handshakeMillis({ client: [2], server: [] })).toBeLessThan(500)
  })

  // RFC 9002 §6.2.4 #S1
  it("two probe timeouts at most when the whole flight of the server is lost", () => {
    expect(handshakeMillis({ client: [0, 1, 2], server: [] })).toBeLessThan(2_100)
  })

  it("no more than a few seconds whichever two datagrams each way are lost", () => {
    for (let a = 0; a < 5; a++)
      for (let b = a + 1; b < 6; b++)
        for (let c = 0; c < 5; c++)
          for (let d = c + 1; d < 6; d++)
            expect(handshakeMillis({ client: [a, b], server: [c, d] }), `${a} ${b} ${c} ${d}`).toBeLessThan(
              4_000
            )
  })
})

describe("a client whose server falls silent before it has confirmed the handshake", () => {
  it("does not wait forever, although it has no idle timeout", () => {
    const transport = { maxIdleTimeout: 0, handshakeTimeout: 10_000 }
    const duel = new Duel({ victim: "client", transport }).exchange()
    duel.inject(duel.puppet.packet(Level.Handshake, duel.puppet.ackAll(Level.Handshake)))
    const { lifecycle } = duel.connection
    duel.advance(9_000_000)
    expect(lifecycle.state).toBe("established")
    duel.inject(duel.puppet.packet(Level.OneRtt, writePing)).advance(9_000_000)
    expect(lifecycle.state).toBe("established")
    duel.advance(2_000_000)
    expect(lifecycle.closeReason?.origin).toBe("handshakeTimeout")
  })

  it("waits indefinitely for one that has confirmed it", () => {
    const transport = { maxIdleTimeout: 0, handshakeTimeout: 10_000 }
    const duel = new Duel({ victim: "client", transport }).shakeHands()
    expect(duel.advance(1e9).connection.lifecycle.state).toBe("established")
  })
})
