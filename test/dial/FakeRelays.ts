/** Relays without a network: what is sent arrives a delay later, in order, at whoever has connected with the key. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type RelayClosed,
  RelayError,
  type RelayLink,
  type RelayLinkListener,
  RelayPort
} from "../../src/capability/RelayPort.ts"
import type { EcnCodepoint } from "../../src/capability/UdpPort.ts"
import { hexadecimal } from "../../src/internal/hexadecimal.ts"

/** One relay. */
class FakeRelay {
  readonly links = new Map<string, FakeLink>()
  isUp = true
  denies = false
  connects = 0
  forwardedBytes = 0
}

class FakeLink implements RelayLink {
  readonly url: string
  readonly congested = false
  readonly rttMillis: number
  readonly counters = { sent: 0, received: 0, sentBytes: 0, receivedBytes: 0, sendDropped: 0 }
  readonly ended = Deferred.makeUnsafe<RelayClosed>()
  readonly closed = Deferred.await(this.ended)
  listener: RelayLinkListener | undefined
  private readonly relays: FakeRelays
  private readonly key: Uint8Array

  constructor(relays: FakeRelays, url: string, key: Uint8Array) {
    this.relays = relays
    this.url = url
    this.key = key
    this.rttMillis = 2 * relays.delayOf(url)
  }

  listen(listener: RelayLinkListener): void {
    this.listener = listener
  }

  send(to: Uint8Array, ecn: EcnCodepoint, buffer: Uint8Array, start: number, end: number): void {
    this.counters.sent++
    this.relays.forward(this.url, this.key, to, ecn, buffer.slice(start, end))
  }

  end(closed: RelayClosed): void {
    Deferred.doneUnsafe(this.ended, Effect.succeed(closed))
  }
}

export class FakeRelays {
  private readonly relays = new Map<string, FakeRelay>()
  private readonly delays: Readonly<Record<string, number>>
  private readonly runFork: (effect: Effect.Effect<void>) => unknown
  /** What a relay does to the datagrams it forwards. */
  meddle: (
    bytes: Uint8Array,
    from: Uint8Array
  ) => { readonly bytes: Uint8Array; readonly from: Uint8Array } | undefined = (bytes, from) => ({
    bytes,
    from
  })

  private constructor(
    runFork: (effect: Effect.Effect<void>) => unknown,
    delays: Readonly<Record<string, number>>
  ) {
    this.runFork = runFork
    this.delays = delays
  }

  static readonly make = (delays: Readonly<Record<string, number>> = {}) =>
    Effect.map(Effect.context<never>(), (context) => new FakeRelays(Effect.runForkWith(context), delays))

  at(url: string): FakeRelay {
    const relay = this.relays.get(url) ?? new FakeRelay()
    this.relays.set(url, relay)
    return relay
  }

  /** One way, half of it to the relay. */
  delayOf(url: string): number {
    return this.delays[url] ?? 20
  }

  forward(url: string, from: Uint8Array, to: Uint8Array, ecn: EcnCodepoint, bytes: Uint8Array): void {
    const passed = this.meddle(bytes, from)
    if (passed === undefined) return
    const deliver = Effect.sync(() => {
      const link = this.at(url).links.get(hexadecimal(to))
      if (link === undefined) return
      this.at(url).forwardedBytes += passed.bytes.length
      link.counters.received++
      link.listener?.onDatagram(passed.from, ecn, passed.bytes)
    })
    this.runFork(Effect.delay(deliver, this.delayOf(url)))
  }

  /** Ends the links of a relay; with `isDown`, it takes no others until it is up again. */
  stop(
    url: string,
    closed: RelayClosed = { _tag: "Lost", problem: "the relay is gone" },
    isDown = true
  ): void {
    const relay = this.at(url)
    relay.isUp = !isDown
    for (const link of relay.links.values()) link.end(closed)
    relay.links.clear()
  }

  start(url: string): void {
    this.at(url).isUp = true
  }

  get layer(): Layer.Layer<RelayPort> {
    return Layer.succeed(RelayPort, {
      connect: (url, { publicKey, sign }) =>
        Effect.acquireRelease(
          Effect.suspend(() => {
            const relay = this.at(url)
            relay.connects++
            if (sign(new Uint8Array(1)).length !== 64) throw new Error("no Ed25519 signature")
            if (relay.denies) return fail(url, "Denied", "this key is not on the list")
            if (!relay.isUp) return fail(url, "Unreachable", "connection refused")
            const link = new FakeLink(this, url, publicKey)
            const id = hexadecimal(publicKey)
            relay.links.get(id)?.end({ _tag: "Replaced" })
            relay.links.set(id, link)
            return Effect.delay(Effect.succeed(link), 2 * this.delayOf(url))
          }),
          (link) =>
            Effect.sync(() => {
              const { links } = this.at(url)
              const id = hexadecimal(publicKey)
              if (links.get(id) === link) links.delete(id)
            })
        )
    })
  }
}

const fail = (url: string, reason: RelayError["reason"], message: string): Effect.Effect<never, RelayError> =>
  Effect.fail(new RelayError({ url, reason, message }))
