/** Where older systems went wrong: keys of zeros, nonces used twice, limits per IP that counted ports, tables that grow. */
import { afterEach, describe, expect, it, vi } from "vitest"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "../connection/Duel.ts"
import { at, Siege } from "./Siege.ts"
import { suite } from "../io.ts"

afterEach(() => {
  vi.restoreAllMocks()
})

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Records every key, and every nonce that seals with it. */
const watchSealing = () => {
  const keys: Array<string> = []
  const sealed: Array<string> = []
  const make = suite.aead
  vi.spyOn(suite, "aead").mockImplementation((algorithm, key) => {
    const name = hex(key)
    keys.push(name)
    const aead = make(algorithm, key)
    return {
      seal: (nonce, ...rest) => {
        sealed.push(`${name} ${hex(nonce)}`)
        aead.seal(nonce, ...rest)
      },
      open: (...args) => aead.open(...args)
    }
  })
  return { keys, sealed }
}

describe("unlike in older systems", () => {
  it("no key is of zeros, and two endpoints share none but those the protocol derives from what is public", () => {
    const { keys } = watchSealing()
    const siege = new Siege({ retry: "always" })
    expect(siege.exchange(siege.client(), at("198.51.100.1")).complete).toBe(true)
    expect(keys.length).toBeGreaterThan(8)
    for (const key of keys) expect(key).not.toMatch(/^(00)+$/)
    const secrets = () => {
      keys.length = 0
      const duel = new Duel({ victim: "server", seed: String(Math.random()) }).shakeHands()
      return [...keys, hex(duel.connection.config.makeResetToken(new Uint8Array(8)))]
    }
    const first = secrets()
    for (const secret of secrets()) expect(first).not.toContain(secret)
  })

  it("an ACK is not a nonce: each packet has one of its own, those that carry nothing but an ACK as well", () => {
    const { sealed } = watchSealing()
    const duel = new Duel({ victim: "server" }).shakeHands()
    const before = sealed.length
    for (let i = 0; i < 50; i++) {
      duel.inject(duel.puppet.packet(Level.OneRtt, writePing))
      // nothing but an ACK of what was acknowledged already, and later a retransmission
      duel.inject(duel.puppet.packet(Level.OneRtt, duel.puppet.ackAll(Level.OneRtt)))
      duel.advance(100_000)
    }
    expect(duel.sent.length).toBeGreaterThan(20)
    expect(sealed.length).toBeGreaterThan(before + 100)
    expect(new Set(sealed).size).toBe(sealed.length)
  })

  it("a limit per IP counts the IP: another port of it is no other client", () => {
    const siege = new Siege({ retry: "never" })
    for (let port = 1; port <= 65_535; port += 500)
      siege.deliver(siege.client().outbox, at("198.51.100.1", port))
    expect(siege.inFlight).toBe(5)
    expect(siege.incoming.sources).toBe(1)
  })

  it("a table shrinks again: after a flood the endpoint holds nothing of it", () => {
    const siege = new Siege({ retry: "never" })
    const held = () => [
      siege.endpoint.connections.size,
      siege.endpoint.routedIds,
      siege.endpoint.resetTokens,
      siege.incoming.strangers,
      siege.incoming.sources
    ]
    for (let n = 0; n < 400; n++) siege.deliver(siege.client().outbox, at(`203.0.${n >> 8}.${n & 0xff}`))
    expect(held()[4]).toBeGreaterThan(300)
    for (let i = 0; i < 10; i++) siege.advance(2_000_000)
    expect(held()).toEqual([0, 0, 0, 0, 0])
    expect(siege.exchange(siege.client(), at("198.51.100.1")).complete).toBe(true)
  })
})
