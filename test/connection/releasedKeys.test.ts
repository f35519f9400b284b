/** Keys are released as soon as nothing may use them: memory outside the JavaScript heap is not collected. */
import { afterEach, describe, expect, it, vi } from "vitest"
import { retryIntegrityTag } from "../../src/protect/retryIntegrity.ts"
import { SealingKeys } from "../../src/protect/SealingKeys.ts"
import { openBytes, sealBytes } from "../../src/protect/sealedBytes.ts"
import { Level, Version } from "../../src/wire/PacketType.ts"
import { flipped, seeded } from "../protect/bytes.ts"
import { TrackedKeys } from "../protect/trackedKeys.ts"
import { CorePair, type CorePairOptions } from "./CorePair.ts"
import { Duel } from "./Duel.ts"
import { suite } from "../io.ts"

afterEach(() => {
  vi.restoreAllMocks()
})

/** Of both sides: the 1-RTT keys of either direction, and the next ones for reading. */
const AT_REST = { "AEAD keys": 6, "header keys": 4 }
const NONE = { "AEAD keys": 0, "header keys": 0 }

const forget = ({ ends, client, server }: CorePair): void => {
  ends.client.forget(client)
  if (server !== undefined) ends.server.forget(server)
}

const acceptEarlyData = (): boolean => true

const ticket = () => new CorePair({ acceptEarlyData }).exchange().tickets[0]

const handshakes: ReadonlyArray<{ readonly what: string; readonly options: () => CorePairOptions }> = [
  { what: "after a plain handshake", options: () => ({}) },
  { what: "after a Retry", options: () => ({ retry: "always" }) },
  { what: "after 0-RTT", options: () => ({ acceptEarlyData, resume: ticket() }) },
  { what: "after refused 0-RTT", options: () => ({ acceptEarlyData: () => false, resume: ticket() }) },
  {
    what: "after compatible version negotiation",
    options: () => ({
      client: { versions: ["v2", "v1"], originalVersion: "v1" },
      server: { versions: ["v2", "v1"] }
    })
  },
  {
    what: "after Version Negotiation",
    options: () => ({
      client: { versions: ["v2", "v1"], originalVersion: "v2" },
      server: { versions: ["v1"] }
    })
  }
]

describe("the keys of a connection", () => {
  it.each(handshakes)("are those of one phase $what, and none when it is forgotten", ({ options }) => {
    const made = options()
    const keys = new TrackedKeys()
    const pair = new CorePair(made)
    const id = pair.client.streams.open(false)
    pair.client.streams.write(id, new Uint8Array(5_000))
    // 0-RTT keys stay for three PTOs. RFC 9001 §4.9.3
    pair.exchange().advance(5_000_000)
    pair.client.ping()
    pair.exchange()
    expect(pair.client.closeReason).toBeUndefined()
    expect(keys.live).toEqual(AT_REST)
    expect(keys.made["AEAD keys"]).toBeGreaterThan(8)
    forget(pair)
    expect(keys.live).toEqual(NONE)
  })

  it("are released by an update once packets in flight have arrived, RFC 9001 §6.5", () => {
    const keys = new TrackedKeys()
    const pair = new CorePair().exchange()
    // §6.5: for three PTOs after an update the keys before are kept, and then there may be another
    const settle = (): void => {
      for (const _ of [1, 2]) {
        pair.advance(1_000_000)
        pair.client.ping()
        pair.server!.ping()
        pair.exchange()
      }
    }
    settle()
    for (const updates of [1, 2, 3]) {
      for (const side of [pair.client, pair.server!]) {
        side.updateKeys()
        side.ping()
        pair.exchange()
        settle()
      }
      expect(pair.client.keys.phases.updates).toBe(2 * updates)
      expect(keys.live).toEqual(AT_REST)
    }
    pair.client.updateKeys()
    pair.client.ping()
    pair.exchange()
    // each side keeps the read keys of the phase before
    expect(keys.live).toEqual({ ...AT_REST, "AEAD keys": AT_REST["AEAD keys"] + 2 })
    forget(pair)
    expect(keys.live).toEqual(NONE)
  })

  it("are released when it ends in the middle of the handshake", () => {
    for (const dropped of ["client", "server"]) {
      const keys = new TrackedKeys()
      const pair = new CorePair({ between: (datagram, to) => (to === dropped ? undefined : datagram) })
      pair.exchange()
      expect(keys.live["AEAD keys"]).toBeGreaterThan(1)
      forget(pair)
      expect(keys.live).toEqual(NONE)
      vi.restoreAllMocks()
    }
  })

  it("are made for a stranger's Initial, and released if it is not authentic or the stranger is refused", () => {
    const [{ bytes }] = new CorePair({ between: () => undefined }).exchange().datagrams
    const keys = new TrackedKeys()
    const duel = new Duel({ victim: "server" })
    const hear = (datagram: Uint8Array): void => {
      const from = { host: "192.0.2.9", port: 9, family: 4 } as const
      duel.endpoint.handleDatagram(datagram.slice(), from, 0, duel.nowMicros)
    }
    const before = { ...keys.made }
    const live = { ...keys.live }
    hear(flipped(bytes, 1_000))
    expect(keys.made).toEqual({
      "AEAD keys": before["AEAD keys"] + 1,
      "header keys": before["header keys"] + 1
    })
    expect(keys.live).toEqual(live)
    duel.endpoint.incoming!.isFull = true
    hear(bytes)
    expect(duel.endpoint.pollReply()).toBeDefined()
    expect(keys.made["AEAD keys"]).toBe(before["AEAD keys"] + 3)
    expect(keys.live).toEqual(live)
  })

  it("cannot be used by a connection that goes on although it is forgotten", () => {
    const keys = new TrackedKeys()
    const duel = new Duel({ victim: "server" }).shakeHands()
    const packet = duel.puppet.packet(Level.OneRtt, () => {}, { size: 60 })
    duel.endpoint.forget(duel.connection)
    duel.connection.ping()
    duel.connection.close(0, "", duel.nowMicros)
    expect(duel.connection.pollTransmit(new Uint8Array(1500), 0, duel.nowMicros)).toBe(0)
    duel.puppet.outbox.push(packet)
    duel.deliver()
    duel.connection.handleTimeout(duel.nowMicros + 60_000_000)
    expect(duel.connection.lifecycle.state).toBe("closed")
    expect(keys.made["AEAD keys"]).toBeGreaterThan(6)
  })
})

describe("keys that are no connection's", () => {
  it("are released when they have sealed or opened once", () => {
    const keys = new TrackedKeys(() => true)
    const secret = new Uint8Array(32)
    const sealed = sealBytes(suite, seeded(1), secret, new Uint8Array(2), new Uint8Array(9))
    expect(openBytes(suite, secret, sealed, 2)).toEqual(new Uint8Array(9))
    expect(openBytes(suite, secret, flipped(sealed, 40), 2)).toBeUndefined()
    retryIntegrityTag(suite, Version.v1, new Uint8Array(8), new Uint8Array(30))
    expect(keys.made["AEAD keys"]).toBe(4)
    expect(keys.live["AEAD keys"]).toBe(0)
  })

  it("are released when a period of tokens or tickets is over", () => {
    const keys = new TrackedKeys(() => true)
    const sealing = new SealingKeys(suite, seeded(1), { periodMillis: 10, keptPeriods: 2 })
    for (let now = 0; now < 100; now += 10) sealing.seal(new Uint8Array(9), now)
    expect(keys.made["AEAD keys"]).toBe(10)
    expect(keys.live["AEAD keys"]).toBe(3)
  })
})
