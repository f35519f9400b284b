/** The simulated relay: who it lets in, what it forwards, how its links end. */
import { ed25519 } from "@noble/curves/ed25519.js"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { SimRelay, type SimRelayOptions } from "../../layers/sim/relay/SimRelay.ts"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import { RelayPort, type RelayIdentity, type RelayLink } from "../../src/capability/RelayPort.ts"
import { LiveCryptoSuite } from "../io.ts"
import type { Kind } from "../nat/matrix.ts"
import { natWorld } from "../nat/simulated.ts"
import { itSim } from "./itSim.ts"

const identityOf = (byte: number): RelayIdentity => {
  const secret = new Uint8Array(32).fill(byte)
  return { publicKey: ed25519.getPublicKey(secret), sign: (message) => ed25519.sign(message, secret) }
}

const alice = identityOf(1)
const bob = identityOf(2)

interface Heard {
  readonly datagrams: Array<readonly [from: Uint8Array, ecn: number, bytes: Uint8Array]>
  readonly gone: Array<Uint8Array>
  writable: number
}

const linked = Effect.fnUntraced(function* (host: SimHost, url: string, identity: RelayIdentity) {
  const port = yield* Effect.provide(RelayPort, host.layer)
  const link = yield* port.connect(url, identity)
  const heard: Heard = { datagrams: [], gone: [], writable: 0 }
  link.listen({
    onDatagram: (from, ecn, bytes) => heard.datagrams.push([from.slice(), ecn, bytes.slice()]),
    onGone: (key) => heard.gone.push(key),
    onWritable: () => heard.writable++
  })
  return { link, heard }
})

const world = Effect.fnUntraced(function* (client: Kind = "udp-blocked", options: SimRelayOptions = {}) {
  const made = yield* natWorld({ client, server: "symmetric-random" })
  const relay = yield* Effect.provide(SimRelay.make(made.public, options), LiveCryptoSuite.layer)
  return { ...made, relay }
})

const say = (link: RelayLink, to: RelayIdentity, ...bytes: ReadonlyArray<number>): void =>
  link.send(to.publicKey, 2, Uint8Array.from(bytes), 0, bytes.length)

describe("a simulated relay", () => {
  itSim("takes datagrams from key to key, and tells who a peer was when it has left", () =>
    Effect.gen(function* () {
      const { client, server, relay } = yield* world()
      const near = yield* linked(client.host, relay.url, alice)
      const scope = yield* Scope.make()
      const far = yield* Scope.provide(linked(server.host, relay.url, bob), scope)
      say(near.link, bob, 1, 2, 3)
      yield* Effect.sleep(100)
      say(far.link, alice, 4)
      yield* Effect.sleep(100)
      expect(far.heard.datagrams).toEqual([[alice.publicKey, 2, Uint8Array.of(1, 2, 3)]])
      expect(near.heard.datagrams).toEqual([[bob.publicKey, 2, Uint8Array.of(4)]])
      expect(near.link.counters).toMatchObject({ sent: 1, received: 1, sentBytes: 3, receivedBytes: 1 })
      expect(near.link.rttMillis).toBeCloseTo(30, 0)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep(100)
      expect(near.heard.gone).toEqual([bob.publicKey])
      expect(relay.clientCount).toBe(1)
    })
  )

  itSim("lets in nobody who claims another's key, or who is not admitted", () =>
    Effect.gen(function* () {
      const { client, relay } = yield* world("none", { admits: (key) => key[0] !== bob.publicKey[0] })
      const liar = { publicKey: alice.publicKey, sign: bob.sign }
      const reasons: Array<string> = []
      for (const identity of [liar, bob]) {
        const error = yield* Effect.flip(linked(client.host, relay.url, identity))
        reasons.push(`${error.reason}: ${error.message}`)
      }
      expect(reasons).toEqual([
        "Denied: the signature does not prove the key",
        "Denied: this relay does not serve this key"
      ])
      const nowhere = yield* Effect.flip(linked(client.host, "http://203.0.113.10:1/", alice))
      expect(nowhere.reason).toBe("Unreachable")
    })
  )

  itSim(
    "says that it restarts, that another has come with the same key, and says nothing when it crashes",
    () =>
      Effect.gen(function* () {
        const { client, server, relay, public: open } = yield* world()
        const first = yield* linked(client.host, relay.url, alice)
        const second = yield* linked(server.host, relay.url, alice)
        expect(yield* first.link.closed).toEqual({ _tag: "Replaced" })
        const restart = yield* Effect.forkScoped(relay.restart(2000))
        expect(yield* second.link.closed).toEqual({
          _tag: "Restarting",
          reconnectInMillis: 2000,
          tryForMillis: 10_000
        })
        expect((yield* Effect.flip(linked(client.host, relay.url, alice))).reason).toBe("Unreachable")
        yield* Fiber.join(restart)
        const third = yield* linked(client.host, relay.url, alice)
        open.crash()
        say(third.link, bob, 1)
        expect(yield* third.link.closed).toEqual({ _tag: "Lost", problem: "timed out" })
      })
  )

  itSim("is slower than who floods it: the link is congested, drops, and says when it is not any more", () =>
    Effect.gen(function* () {
      const { client, network, relay } = yield* world()
      network.apply([
        { atMillis: 0, fault: { kind: "conditions", link: "client", conditions: { bitsPerSecond: 5e6 } } }
      ])
      const { link, heard } = yield* linked(client.host, relay.url, alice)
      const datagram = new Uint8Array(1200)
      let sent = 0
      for (; !link.congested; sent++) link.send(bob.publicKey, 0, datagram, 0, datagram.length)
      expect(sent).toBeGreaterThan(100)
      expect(heard.writable).toBe(0)
      for (let i = 0; i < 2000; i++) link.send(bob.publicKey, 0, datagram, 0, datagram.length)
      expect(link.counters.sendDropped).toBeGreaterThan(1000)
      yield* Effect.sleep("5 seconds")
      expect(heard.writable).toBe(1)
      expect(link.congested).toBe(false)
      expect(relay.counters.unknown).toBe(link.counters.sent)
    })
  )

  itSim("reads from a client no faster than 8 MiB/s on average: the client has to wait", () =>
    Effect.gen(function* () {
      const { client, relay } = yield* world("none")
      const { link } = yield* linked(client.host, relay.url, alice)
      const datagram = new Uint8Array(1200)
      for (let i = 0; i < 80; i++) {
        for (let j = 0; j < 200; j++) link.send(bob.publicKey, 0, datagram, 0, datagram.length)
        yield* Effect.sleep(10)
      }
      // 2 MiB at once, 6.4 in 800 ms
      expect(relay.counters.unknown * datagram.length).toBeLessThan(8.6 * 2 ** 20)
      expect(relay.counters.unknown * datagram.length).toBeGreaterThan(4 * 2 ** 20)
      expect(link.counters.sendDropped).toBeGreaterThan(1000)
      yield* Effect.sleep("3 seconds")
      // nothing is read and dropped
      expect(relay.counters.unknown).toBe(link.counters.sent)
    })
  )

  itSim("loses a client whose address has gone with the next thing it sends", () =>
    Effect.gen(function* () {
      const { server, relay } = yield* world()
      const { link } = yield* linked(server.host, relay.url, alice)
      server.host.changeAddress("192.168.2.2", "192.168.2.3")
      say(link, bob, 1)
      expect(yield* link.closed).toEqual({ _tag: "Lost", problem: "its address is gone" })
      yield* linked(server.host, relay.url, alice)
    })
  )
})
