/** The rate limit for whatever is not authenticated, and who it turns away. */
import { afterEach, describe, expect, it, vi } from "vitest"
import { Errand, StrangerGate } from "../../src/admission/StrangerGate.ts"
import { defaultLimits } from "../../src/admission/Limits.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { at, Siege } from "./Siege.ts"
import { suite } from "../io.ts"

const host = at("198.51.100.1")
const honest = at("203.0.113.1")
/** As many different addresses as one likes. */
const forged = (n: number) => at(`${11 + (n >> 16)}.${(n >> 8) & 0xff}.${n & 0xff}.7`)

afterEach(() => {
  vi.restoreAllMocks()
})

const makeGate = () => new StrangerGate(defaultLimits, new Siege().random.bytes)

describe("an address that is not admitted", () => {
  it("costs nothing and gets silence, whatever it sends, and is not charged", () => {
    const asked: Array<string> = []
    const siege = new Siege({
      retry: "always",
      admits: (from) => {
        asked.push(from.host)
        return from !== host
      }
    })
    const short = Uint8Array.of(0x41, ...siege.random.bytes(60))
    const initial = siege.client().outbox[0]
    const unknownVersion = initial.slice().fill(0x1a, 1, 5)
    const spies = [vi.spyOn(suite, "hmac"), vi.spyOn(suite, "aead"), vi.spyOn(siege.random, "bytes")]
    for (let i = 0; i < 1_000; i++) siege.deliver([short, initial, unknownVersion], host)
    for (const spy of spies) expect(spy).not.toHaveBeenCalled()
    expect([siege.sent.length, siege.rateLimited]).toEqual([0, 0])
    expect(siege.endpoint.counters.dropped.rejected).toBe(3_000)
    vi.restoreAllMocks()
    // another is served, and asked about only while it is a stranger
    const peer = siege.exchange(siege.client(), honest)
    expect(peer.complete).toBe(true)
    asked.length = 0
    peer.send(Level.OneRtt, writePing)
    siege.exchange(peer, honest)
    expect(asked).toEqual([])
  })
})

describe("B4: a token bucket for whatever is not authenticated yet", () => {
  it("holds 500 and refills with 10,000 a second", () => {
    const gate = makeGate()
    let admitted = 0
    const knock = (count: number, nowMicros: number): void => {
      for (let i = 0; i < count; i++)
        if (gate.admits(forged(admitted + i), Errand.Return, nowMicros)) admitted++
    }
    knock(2_000, 1_000_000)
    expect(admitted).toBe(500)
    for (let millis = 1; millis <= 1_000; millis++) knock(50, 1_000_000 + millis * 1_000)
    expect(admitted).toBe(500 + 10_000)
  })

  it("is charged before anything is decrypted, hashed or drawn at random", () => {
    const siege = new Siege({ retry: "always" })
    const retried = siege.client()
    for (const bytes of siege.deliver(retried.outbox.splice(0), honest)) retried.receive(bytes)
    const short = Uint8Array.of(0x41, ...siege.random.bytes(60))
    const initial = siege.client().outbox[0]
    for (let i = 0; i < 1_000; i++) siege.deliver([initial], forged(i))
    for (let i = 0; i < 500; i++) siege.deliver(retried.outbox, forged(i))
    const before = siege.rateLimited
    const spies = [vi.spyOn(suite, "hmac"), vi.spyOn(suite, "aead"), vi.spyOn(siege.random, "bytes")]
    const sent = siege.sent.length
    for (let i = 0; i < 100; i++) siege.deliver([initial, ...retried.outbox, short], forged(i))
    for (const spy of spies) expect(spy).not.toHaveBeenCalled()
    expect(siege.sent.length).toBe(sent)
    expect(siege.rateLimited - before).toBe(200)
  })

  it("never charges a datagram whose connection ID is known", () => {
    const siege = new Siege({ retry: "always" })
    const peer = siege.exchange(siege.client(), honest)
    const initial = siege.client().outbox[0]
    for (let i = 0; i < 5_000; i++) siege.deliver([initial], forged(i))
    const { rateLimited } = siege
    expect(rateLimited).toBeGreaterThan(4_000)
    const before = peer.seen.named("onAck").length
    for (let i = 0; i < 2; i++) peer.send(Level.OneRtt, writePing)
    siege.exchange(peer, honest)
    expect(peer.seen.named("onAck").length).toBeGreaterThan(before)
    expect(siege.rateLimited).toBe(rateLimited)
  })

  it("does not charge what is dropped anyway", () => {
    const siege = new Siege({ retry: "always" })
    const small = siege.client().outbox[0].slice(0, 1_199)
    const tiny = Uint8Array.of(0x41, ...siege.random.bytes(20))
    const zeroRtt = Uint8Array.of(0xd0, 0, 0, 0, 1, 8, ...siege.random.bytes(1_194))
    for (let i = 0; i < 2_000; i++) siege.deliver([small, tiny, zeroRtt], forged(i))
    expect(siege.rateLimited).toBe(0)
  })

  it("has room for a new client under a flood of Initials from few addresses", () => {
    const siege = new Siege({ retry: "always" })
    const initial = siege.client().outbox[0]
    for (let millis = 0; millis < 1_000; millis++) {
      siege.nowMicros += 1_000
      for (let i = 0; i < 50; i++) siege.deliver([initial], forged((millis * 50 + i) % 250))
    }
    expect(siege.rateLimited).toBeGreaterThan(30_000)
    expect(siege.exchange(siege.client(), honest).complete).toBe(true)
  })

  it("has room for a client that answers a Retry under a flood from forged addresses, and for both under one of junk", () => {
    const gate = makeGate()
    for (let i = 0; i < 2_000; i++) gate.admits(forged(i), Errand.Handshake, 1_000_000)
    expect(gate.admits(honest, Errand.Handshake, 1_000_000)).toBe(false)
    expect(gate.admits(honest, Errand.Return, 1_000_000)).toBe(true)
    const other = makeGate()
    for (let i = 0; i < 2_000; i++) other.admits(forged(i), Errand.Reply, 1_000_000)
    expect(other.admits(honest, Errand.Reply, 1_000_000)).toBe(false)
    expect(other.admits(honest, Errand.Handshake, 1_000_000)).toBe(true)
  })

  it("does not take quiet sources for busy ones that share their hash", () => {
    const gate = makeGate()
    for (let i = 0; i < 300 * 100; i++) gate.admits(forged(i % 300), Errand.Handshake, 1_000_000)
    let mistaken = 0
    for (let n = 0; n < 1_000; n++) {
      gate.admits(forged(100_000 + n), Errand.Handshake, 1_000_000)
      if (gate.isBusy) mistaken++
    }
    expect(mistaken).toBeLessThan(2)
  })

  it("has room for new clients under a flood of made-up tokens from few addresses", () => {
    const gate = makeGate()
    const flood = (nowMicros: number): void => {
      for (let i = 0; i < 5_000; i++) gate.admits(forged(i % 100), Errand.Return, nowMicros)
    }
    flood(1_000_000)
    let admitted = 0
    for (let n = 0; n < 50; n++) {
      if (gate.admits(forged(1_000 + n), Errand.Handshake, 1_100_000)) admitted++
      flood(1_100_000)
    }
    expect(admitted).toBe(50)
    // but one of those addresses that returns goes before others of them that begin
    expect(gate.admits(forged(1), Errand.Handshake, 1_110_000)).toBe(false)
    expect(gate.admits(forged(1), Errand.Return, 1_110_000)).toBe(true)
  })

  it("forgets within seconds which sources were busy", () => {
    const gate = makeGate()
    for (let i = 0; i < 1_000; i++) gate.admits(host, Errand.Handshake, 1_000_000)
    for (let i = 0; i < 1_000; i++) gate.admits(forged(i), Errand.Reply, 1_000_000)
    expect(gate.admits(host, Errand.Handshake, 1_000_000)).toBe(false)
    for (let second = 2; second < 5; second++) gate.admits(honest, Errand.Handshake, second * 1_000_000)
    for (let i = 0; i < 1_000; i++) gate.admits(forged(i), Errand.Reply, 5_000_000)
    expect(gate.admits(host, Errand.Handshake, 5_000_000)).toBe(true)
  })
})
