import type { Role } from "../../src/wire/Role.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { LocalStreamLimits } from "../../src/stream/StreamLimits.ts"
import { isServerInitiated, isUnidirectional } from "../../src/stream/StreamId.ts"
import { connect, type Endpoint, limits, type Packet, type Pair, patternAt } from "./streamPair.ts"

/** An action; `a`, `b` and `c` select among what is possible at that point. */
interface Step {
  readonly what: (typeof actions)[number]
  readonly byServer: boolean
  readonly a: number
  readonly b: number
}

const actions = [
  "open",
  "open",
  "write",
  "write",
  "write",
  "write",
  "writeLarge",
  "finish",
  "reset",
  "resetAt",
  "stop",
  "priority",
  "read",
  "read",
  "read",
  "transmit",
  "transmit",
  "transmit",
  "transmit",
  "transmit",
  "deliver",
  "deliver",
  "deliver",
  "deliver",
  "duplicate",
  "lose",
  "fear",
  "ack",
  "ack",
  "misjudge",
  "time"
] as const // prettier-ignore

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom(...actions),
  byServer: fc.boolean(),
  a: fc.nat(1_000_000),
  b: fc.nat(1_000_000)
})

/** What one side did to one stream, and observed of it. */
interface Account {
  written: number
  read: number
  /** What a reset still promises to deliver: 0 for a plain reset, Infinity before any. */
  promised: number
}

/** How streams ended over all runs: a model in which nothing happens would prove nothing. */
const endings: Record<string, number> = { finished: 0, reset: 0, stopped: 0, none: 0 }

/** Two endpoints, a network that loses, duplicates and reorders, and the expected state. */
class Model {
  readonly pair: Pair
  private readonly inFlight: Array<Packet> = []
  private readonly arrived: Array<Packet> = []
  private readonly books = { client: new Map<number, Account>(), server: new Map<number, Account>() }

  constructor(pair: Pair) {
    this.pair = pair
  }

  private account(side: Endpoint, id: number): Account {
    const book = this.books[side.name as Role]
    let account = book.get(id)
    if (account === undefined) {
      account = { written: 0, read: 0, promised: Number.POSITIVE_INFINITY }
      book.set(id, account)
    }
    return account
  }

  private peerOf(side: Endpoint): Endpoint {
    return side === this.pair.client ? this.pair.server : this.pair.client
  }

  private canSend(side: Endpoint, id: number): boolean {
    return !isUnidirectional(id) || isServerInitiated(id) === (side.name === "server")
  }

  run({ what, byServer, a, b }: Step): void {
    const side = byServer ? this.pair.server : this.pair.client
    const { streams } = side
    this.poll(side)
    const known = [...this.books[side.name as Role].keys()]
    const id = known[a % Math.max(1, known.length)]
    switch (what) {
      case "open": {
        const opened = streams.open(a % 2 === 0)
        if (opened >= 0) this.account(side, opened)
        return
      }
      case "write":
        this.write(side, id, b % 700)
        return
      case "writeLarge":
        this.write(side, id, b % 20_000)
        return
      case "finish":
        if (id !== undefined) streams.finish(id)
        return
      case "reset":
        if (id === undefined || b % 4 !== 0) return
        this.account(side, id).promised = 0
        streams.reset(id, b)
        return
      case "resetAt": {
        if (id === undefined || b % 3 !== 0) return
        const account = this.account(side, id)
        expect(streams.resetAt(id, b, b % 5000)).toBe(true)
        account.promised = Math.min(account.promised, account.written, b % 5000)
        return
      }
      case "stop":
        if (id !== undefined && b % 4 === 0) streams.stop(id, b)
        return
      case "priority":
        if (id !== undefined) streams.setPriority(id, (b % 5) - 2)
        return
      case "read":
        if (id !== undefined) this.read(side, id, 1 + (b % 3000))
        return
      case "transmit":
        this.transmit(side)
        return
      case "deliver":
        this.deliver(a, true)
        return
      case "duplicate":
        this.deliver(a, false)
        return
      case "lose": {
        const [packet] = this.inFlight.splice(a % Math.max(1, this.inFlight.length), 1)
        packet?.from.lost(packet)
        return
      }
      case "fear": {
        const packet = this.inFlight[a % Math.max(1, this.inFlight.length)]
        packet?.from.lost(packet)
        return
      }
      case "ack": {
        const [packet] = this.arrived.splice(a % Math.max(1, this.arrived.length), 1)
        packet?.from.acked(packet)
        return
      }
      case "misjudge": {
        const packet = this.arrived[a % Math.max(1, this.arrived.length)]
        packet?.from.lost(packet)
        return
      }
      case "time":
        side.nowMicros += b % 30_000
        return
    }
  }

  private poll(side: Endpoint): void {
    const { streams } = side
    for (let id = streams.pollOpened(); id >= 0; id = streams.pollOpened()) this.account(side, id)
    for (let id = streams.pollClosed(); id >= 0; id = streams.pollClosed()) this.settle(side, id)
    while (streams.pollReadable() >= 0);
    while (streams.pollWritable() >= 0);
    while (streams.pollStopped() >= 0);
  }

  private write(side: Endpoint, id: number | undefined, length: number): void {
    if (id === undefined || !this.canSend(side, id)) return
    const account = this.account(side, id)
    const bytes = new Uint8Array(length)
    const salt = side.name === "server" ? 1000 : 0
    for (let i = 0; i < length; i++) bytes[i] = patternAt(id + salt, account.written + i)
    account.written += side.streams.write(id, bytes)
  }

  private read(side: Endpoint, id: number, max: number): boolean {
    const { streams } = side
    const account = this.account(side, id)
    const salt = this.peerOf(side).name === "server" ? 1000 : 0
    const bytes = streams.read(id, max)
    if (bytes === undefined) return false
    expect(bytes.length).toBeGreaterThan(0)
    expect(bytes.length).toBeLessThanOrEqual(max)
    for (let i = 0; i < bytes.length; i++)
      if (bytes[i] !== patternAt(id + salt, account.read + i))
        throw new Error(`stream ${id}: wrong byte at ${account.read + i}`)
    account.read += bytes.length
    return true
  }

  private transmit(side: Endpoint): void {
    const packet = side.transmit()
    if (packet !== undefined) this.inFlight.push(packet)
  }

  private deliver(a: number, take: boolean): void {
    if (this.inFlight.length === 0) return
    const at = a % this.inFlight.length
    const packet = this.inFlight[at]
    if (take) this.inFlight.splice(at, 1)
    this.arrive(packet)
    if (take) this.arrived.push(packet)
  }

  private arrive(packet: Packet): void {
    const error = this.peerOf(packet.from).receive(packet)
    if (error !== undefined) throw new Error(`${this.peerOf(packet.from).name}: ${error.reason}`)
  }

  /** A stream has closed: what its receiver observed must match what its sender did. */
  private settle(side: Endpoint, id: number): void {
    const account = this.account(side, id)
    const peer = this.account(this.peerOf(side), id)
    const outcome = side.streams.receiveOutcome(id)
    if (outcome._tag === "finished") expect(account.read).toBe(peer.written)
    if (outcome._tag === "reset")
      expect(account.read).toBeGreaterThanOrEqual(Math.min(peer.promised, peer.written))
    expect(Object.keys(endings)).toContain(outcome._tag)
    endings[outcome._tag]++
  }

  /** From now on everything arrives and every stream finishes; then nothing may be left anywhere. */
  heal(): void {
    const { client, server } = this.pair
    for (const packet of this.inFlight) packet.from.lost(packet)
    this.inFlight.length = 0
    for (const packet of this.arrived) packet.from.acked(packet)
    this.arrived.length = 0
    for (let round = 0; round < 10_000; round++) {
      let active = false
      for (const side of [client, server]) {
        this.poll(side)
        for (const id of this.books[side.name as Role].keys()) {
          side.streams.finish(id)
          while (this.read(side, id, 10_000)) active = true
        }
        side.nowMicros += 1000
        for (let packet = side.transmit(); packet !== undefined; packet = side.transmit()) {
          this.arrive(packet)
          packet.from.acked(packet)
          active = true
        }
        this.poll(side)
      }
      if (!active) {
        this.audit()
        return
      }
    }
    throw new Error("never quiet")
  }

  private audit(): void {
    const { client, server } = this.pair
    for (const [side, peer] of [
      [client, server],
      [server, client]
    ] as const) {
      const stats = side.streams.stats()
      expect(stats).toMatchObject({ open: 0, sendBuffered: 0, readable: 0, receiveAllocated: 0 })
      // RFC 9000 §4.4: both sides agree on consumed credit, all of which has been granted again
      expect(stats.consumed).toBe(stats.received)
      expect(stats.received).toBe(peer.streams.stats().sendCreditUsed)
      expect(side.streams.hasFrames()).toBe(false)
      for (const [id, account] of this.books[side.name as Role]) {
        const sender = this.books[peer.name as Role].get(id)
        if (sender !== undefined) expect(account.read).toBeLessThanOrEqual(sender.written)
      }
    }
  }
}

const tight: LocalStreamLimits = limits({
  initialMaxData: 6000,
  initialMaxStreamDataBidiLocal: 2500,
  initialMaxStreamDataBidiRemote: 3000,
  initialMaxStreamDataUni: 2000,
  initialMaxStreamsBidi: 3,
  initialMaxStreamsUni: 2,
  maxConnectionWindowBytes: 30_000,
  maxStreamWindowBytes: 20_000,
  sendBufferBytes: 9000,
  maxSendBufferBytes: 0
})

describe("two stream sets over a network that loses, duplicates and reorders", () => {
  const runs = Number(process.env.PROPERTY_RUNS ?? 300)

  // RFC 9000 §19.9 #1, §19.10 #3
  it("delivers every byte once and in order, closes every stream and balances all credit, within tight limits", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
        const model = new Model(connect(tight, tight))
        for (const each of steps) model.run(each)
        model.heal()
      }),
      { numRuns: runs }
    )
  })

  it("does so with windows that grow and packets of any size", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300, size: "max" }),
        fc.integer({ min: 60, max: 9000 }),
        (steps, size) => {
          const model = new Model(connect())
          model.pair.client.packetBytes = size
          for (const each of steps) model.run(each)
          model.heal()
        }
      ),
      { numRuns: Math.ceil(runs / 2) }
    )
  })

  it("has ended streams in every way, often", () => {
    for (const count of Object.values(endings)) expect(count).toBeGreaterThan(runs / 4)
  })
})
