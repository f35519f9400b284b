/** The hub of a relay, without sockets: who gets what, and what it costs at most. */
import { describe, expect, it } from "vitest"
import * as Frames from "../../src/relay/frames.ts"
import { signChallenge } from "../../src/relay/handshake.ts"
import type { CloseCode, RelayCarrier } from "../../src/relay/RelayCarrier.ts"
import { RelayHub } from "../../src/relay/RelayHub.ts"
import { defaultRelayLimits, FRAME_COST, type RelayLimits } from "../../src/relay/RelayLimits.ts"
import type { RelayMember } from "../../src/relay/RelayMember.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"
import { suite } from "../io.ts"
import { testIdentity } from "./identities.ts"

const { RelayFrameType, RelayStatus } = Frames
const SECOND = 1_000_000
let drawn = 0
const random = (length: number): Uint8Array => new Uint8Array(length).fill(++drawn)

/** What a client of the hub has received. */
class Client implements RelayCarrier {
  readonly received: Array<Uint8Array> = []
  writable = true
  paused = false
  closed: { readonly code: CloseCode; readonly reason: string } | undefined
  member!: RelayMember
  send(frame: Uint8Array): void {
    this.received.push(frame)
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  close(code: CloseCode, reason: string): void {
    this.closed = { code, reason }
  }
  get types(): ReadonlyArray<number> {
    return this.received.map((frame) => frame[0])
  }
  /** Takes what has been received. */
  take(): ReadonlyArray<Uint8Array> {
    return this.received.splice(0)
  }
}

class World {
  now = 1000 * SECOND
  readonly hub: RelayHub
  constructor(limits: Partial<RelayLimits> = {}, allows: (key: Uint8Array) => boolean = () => true) {
    this.hub = new RelayHub({
      limits: { ...defaultRelayLimits, ...limits },
      crypto: suite,
      random,
      allows
    })
  }
  stranger(host = "192.0.2.1"): Client {
    const client = new Client()
    const remote = socketAddress(host, 1)!
    client.member = this.hub.accept(client, remote, { _tag: "challenge" }, this.now)
    return client
  }
  join(number: number, host?: string): Client {
    const client = this.stranger(host)
    const identity = testIdentity(number)
    const challenge = client.take()[0].slice(1)
    this.say(client, Frames.encodeClientAuth(identity.publicKey, signChallenge(identity, challenge)))
    return client
  }
  say(client: Client, frame: Uint8Array): void {
    client.member.onFrame(frame, 0, frame.length, this.now)
  }
  /** Sends to the key of `to`; `bytes` long. */
  send(client: Client, to: number, bytes = 10): void {
    const body = new Uint8Array(bytes).fill(7)
    const key = testIdentity(to).publicKey
    this.say(client, Frames.encodeDatagram(RelayFrameType.clientDatagram, key, 1, body))
  }
  pass(micros: number): void {
    const end = this.now + micros
    while (this.hub.deadlineMicros <= end) {
      this.now = Math.max(this.now, this.hub.deadlineMicros)
      this.hub.onTimeout(this.now)
    }
    this.now = end
  }
}

describe("who is let in", () => {
  it("is who answers the challenge with the key", () => {
    const world = new World()
    const client = world.join(1)
    expect(client.received).toEqual([Frames.encodeConfirmsAuth()])
    expect(world.hub.clients).toBe(1)
    expect(world.hub.pendingConnections).toBe(0)
  })

  it("is not who claims another's key, answers an old challenge, or says something else first", () => {
    const world = new World()
    const mallory = testIdentity(2)
    const claims = world.stranger()
    const challenge = claims.take()[0].slice(1)
    const claimed = Frames.encodeClientAuth(testIdentity(1).publicKey, signChallenge(mallory, challenge))
    world.say(claims, claimed)
    expect(claims.types).toEqual([RelayFrameType.serverDeniesAuth])
    expect(claims.closed?.reason).toContain("signature")

    const replays = world.stranger()
    world.say(replays, Frames.encodeClientAuth(mallory.publicKey, signChallenge(mallory, challenge)))
    expect(replays.types).toEqual([RelayFrameType.serverChallenge, RelayFrameType.serverDeniesAuth])
    expect(world.hub.counters.denied).toBe(2)

    const early = world.stranger()
    world.send(early, 1)
    expect(early.closed?.reason).toContain("proof")
    expect(world.hub.clients + world.hub.connections).toBe(0)
  })

  it("is at once who has shown the key in the request", () => {
    const { hub } = new World()
    const client = new Client()
    const { publicKey } = testIdentity(1)
    hub.accept(client, socketAddress("192.0.2.1", 1)!, { _tag: "proven", publicKey }, 0)
    expect(client.types).toEqual([RelayFrameType.serverConfirmsAuth])
    const forger = new Client()
    hub.accept(forger, socketAddress("192.0.2.1", 1)!, { _tag: "forged" }, 0)
    expect(forger.types).toEqual([RelayFrameType.serverDeniesAuth])
  })

  it("is on the list, if there is one", () => {
    const allowed = testIdentity(1).publicKey
    const world = new World({}, (key) => Buffer.compare(key, allowed) === 0)
    expect(world.join(1).closed).toBeUndefined()
    expect(world.join(2).closed?.reason).toBe("this relay does not serve this key")
  })

  it("finds a place: keys, and connections of one source, are bounded", () => {
    const world = new World({ clients: 2, connectionsPerSource: 3 })
    world.join(1)
    world.join(2, "192.0.2.2")
    expect(world.join(3, "192.0.2.3").closed?.reason).toContain("no place")
    // a key that is here already needs no place
    world.join(1)
    world.join(1)
    expect(world.hub.mayAccept(socketAddress("192.0.2.1", 5)!)).toBe(false)
    expect(world.hub.mayAccept(socketAddress("192.0.2.9", 5)!)).toBe(true)
    expect(world.hub.counters.refused).toBe(1)
  })
})

describe("strangers", () => {
  it("have a time", () => {
    const world = new World()
    const client = world.stranger()
    world.pass(9.9 * SECOND)
    expect(client.closed).toBeUndefined()
    world.pass(0.2 * SECOND)
    expect(client.closed?.reason).toContain("in time")
    expect(world.hub.deadlineMicros).toBe(Number.POSITIVE_INFINITY)
  })

  it("are bounded in number: the oldest gives its place, and one source has few", () => {
    const world = new World({ pending: 3, pendingPerSource: 2 })
    const first = world.stranger("192.0.2.1")
    world.stranger("192.0.2.1")
    expect(world.hub.mayAccept(socketAddress("192.0.2.1", 9)!)).toBe(false)
    world.stranger("192.0.2.2")
    world.stranger("192.0.2.3")
    expect(first.closed?.reason).toContain("too many")
    expect(world.hub.pendingConnections).toBe(3)
    // what has ended is not counted any more
    expect(world.hub.mayAccept(socketAddress("192.0.2.1", 9)!)).toBe(true)
  })
})

describe("datagrams", () => {
  it("arrive from the key of who sent them, batches too", () => {
    const world = new World()
    const alice = world.join(1)
    const bob = world.join(2)
    bob.take()
    world.send(alice, 2, 3)
    const batch = new Uint8Array(9)
    const { publicKey } = testIdentity(2)
    world.say(alice, Frames.encodeBatch(RelayFrameType.clientBatch, publicKey, 2, 4, batch))
    const from = testIdentity(1).publicKey
    expect(bob.take()).toEqual([
      Frames.encodeDatagram(RelayFrameType.relayDatagram, from, 1, new Uint8Array(3).fill(7)),
      Frames.encodeBatch(RelayFrameType.relayBatch, from, 2, 4, batch)
    ])
    expect(world.hub.counters).toMatchObject({ forwarded: 2, forwardedBytes: 12 })
  })

  it("for a key that is not here are dropped, and counted", () => {
    const world = new World()
    world.send(world.join(1), 9)
    expect(world.hub.counters.droppedUnknown).toBe(1)
  })

  it("wait for one that reads slowly, 512 at most, and arrive in order", () => {
    const world = new World()
    const alice = world.join(1)
    const bob = world.join(2)
    bob.take()
    bob.writable = false
    for (let i = 1; i <= 600; i++) world.send(alice, 2, i)
    expect(bob.received).toEqual([])
    expect(world.hub.counters.droppedFull).toBe(88)
    bob.writable = true
    bob.member.onWritable()
    expect(bob.take().map((frame) => frame.length - Frames.DATAGRAM_OVERHEAD)).toEqual(
      Array.from({ length: 512 }, (_, i) => i + 1)
    )
    expect(world.hub.queued.total).toBe(0)
  })

  it("that wait are bounded in bytes, for one and for all: slow ones leave something for others", () => {
    const cost = 1000 + Frames.DATAGRAM_OVERHEAD + FRAME_COST
    const world = new World({ queuedBytes: 20 * cost, totalQueuedBytes: 40 * cost })
    const alice = world.join(1)
    const slow = [2, 3, 4, 5, 6].map((number) => world.join(number))
    for (const client of slow) client.writable = false
    const waiting = slow.map((_, i) => {
      const before = world.hub.queued.total
      for (let sent = 0; sent < 50; sent++) world.send(alice, i + 2, 1000)
      return (world.hub.queued.total - before) / cost
    })
    expect(waiting[0]).toBe(20)
    expect(Math.min(...waiting)).toBeGreaterThan(0)
    expect(world.hub.queued.total).toBeLessThanOrEqual(40 * cost)
    for (const client of slow) client.member.onClosed()
    expect(world.hub.queued.total).toBe(0)
  })

  it("beyond the rate: one is told, not read from for a while, then cut short; others are served", () => {
    const world = new World({ bytesPerSecond: 100_000, burstBytes: 200_000 })
    const flooder = world.join(1)
    const bob = world.join(2)
    const carol = world.join(3)
    flooder.take()
    bob.take()
    for (let i = 0; i < 1000; i++) world.send(flooder, 2, 1000)
    expect(flooder.paused).toBe(true)
    expect(flooder.take()).toEqual([Frames.encodeStatus(RelayStatus.rateLimited)])
    // the burst, and as much debt for what was on its way
    const cost = 1000 + Frames.DATAGRAM_OVERHEAD + FRAME_COST
    expect(bob.take().length).toBe(Math.floor(400_000 / cost))
    expect(world.hub.counters.droppedRate).toBe(1000 - Math.floor(400_000 / cost))
    world.send(carol, 2)
    expect(bob.take().length).toBe(1)
    world.pass(2.5 * SECOND)
    expect(flooder.paused).toBe(false)
    world.send(flooder, 2)
    expect(bob.take().length).toBe(1)
    // healthy again, once it has kept to its rate for an interval of pings
    for (let i = 0; i < 4; i++) {
      world.pass(10 * SECOND)
      for (const client of [flooder, bob, carol]) world.say(client, Frames.encodePong(new Uint8Array(8)))
    }
    expect(flooder.received).toContainEqual(Frames.encodeStatus(RelayStatus.healthy))
  })
})

describe("a second connection with a key", () => {
  it("replaces the first, which is told and waits; it is served again when the second ends", () => {
    const world = new World()
    const first = world.join(1)
    const second = world.join(1)
    const bob = world.join(2)
    expect(first.received).toContainEqual(Frames.encodeStatus(RelayStatus.replaced))
    for (const client of [first, second]) client.take()
    world.send(bob, 1)
    expect([first.take().length, second.take().length]).toEqual([0, 1])
    second.member.onClosed()
    expect(first.take()).toEqual([Frames.encodeStatus(RelayStatus.healthy)])
    world.send(bob, 1)
    expect(first.take().length).toBe(1)
    expect(world.hub.clients).toBe(2)
  })

  it("and a fifth closes the oldest", () => {
    const world = new World()
    const [oldest, ...rest] = [1, 1, 1, 1, 1].map((number) => world.join(number))
    expect(oldest.closed?.reason).toContain("same key")
    expect(rest.every(({ closed }) => closed === undefined)).toBe(true)
  })
})

describe("who leaves", () => {
  it("is gone for those it has sent to, and for nobody else", () => {
    const world = new World()
    const alice = world.join(1)
    const bob = world.join(2)
    const carol = world.join(3)
    world.send(alice, 2)
    world.send(carol, 1)
    for (const client of [bob, carol]) client.take()
    alice.member.onClosed()
    expect(bob.take()).toEqual([Frames.encodeGone(testIdentity(1).publicKey)])
    expect(carol.take()).toEqual([])
  })

  it("is remembered by as many as there may be, the last it sent to", () => {
    const world = new World({ rememberedPeers: 2 })
    const alice = world.join(1)
    const others = [2, 3, 4].map((number) => world.join(number))
    for (const number of [2, 3, 4]) world.send(alice, number)
    for (const client of others) client.take()
    alice.member.onClosed()
    expect(others.map((client) => client.take().length)).toEqual([0, 1, 1])
  })

  it("without a word is noticed: pinged each 15 s, given up when it says nothing", () => {
    const world = new World()
    const silent = world.join(1)
    const alive = world.join(2)
    for (const client of [silent, alive]) client.take()
    world.pass(15 * SECOND)
    expect(silent.types).toEqual([RelayFrameType.ping])
    world.say(alive, Frames.encodePong(alive.take()[0].slice(1)))
    world.pass(15 * SECOND)
    expect(silent.closed?.reason).toContain("nothing heard")
    expect(alive.closed).toBeUndefined()
    expect(world.hub.counters.silent).toBe(1)
  })
})

it("a ping of a client is answered", () => {
  const world = new World()
  const client = world.join(1)
  client.take()
  const payload = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  world.say(client, Frames.encodePing(payload))
  expect(client.take()).toEqual([Frames.encodePong(payload)])
})

it("frames that only relays send close the connection, those of unknown types are ignored", () => {
  const world = new World()
  for (const frame of [
    Frames.encodeStatus(0),
    Frames.encodeGone(testIdentity(2).publicKey),
    Frames.encodeDatagram(RelayFrameType.relayDatagram, testIdentity(2).publicKey, 0, new Uint8Array(3)),
    Uint8Array.of(4, 1, 2)
  ]) {
    const client = world.join(1)
    world.say(client, frame)
    expect(client.closed).toBeDefined()
  }
  const client = world.join(1)
  world.say(client, Uint8Array.of(63, 1, 2))
  expect(client.closed).toBeUndefined()
})

it("a relay that drains tells its clients when to come back, and lets nobody in", () => {
  const world = new World()
  const client = world.join(1)
  const stranger = world.stranger()
  client.take()
  world.hub.drain(500, 9000)
  expect(client.take()).toEqual([Frames.encodeRestarting(500, 9000)])
  expect(stranger.closed).toBeDefined()
  expect(world.hub.mayAccept(socketAddress("192.0.2.7", 1)!)).toBe(false)
  world.hub.closeAll()
  expect(client.closed).toBeDefined()
  expect(world.hub.connections).toBe(0)
})
