/** A relay on a simulated host: speaks the relay protocol over simulated streams, and can be told to misbehave. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CryptoSuite, type CryptoSuiteShape } from "../../../src/capability/CryptoSuite.ts"
import type { EcnCodepoint } from "../../../src/capability/UdpPort.ts"
import { Entropy } from "../../../src/capability/Entropy.ts"
import { PUBLIC_KEY_BYTES } from "../../../src/internal/ed25519.ts"
import { sameBytes } from "../../../src/internal/bytes.ts"
import { encodeDatagram, encodeGone, ReceivedRelayFrame, RelayFrameType } from "../../../src/relay/frames.ts"
import { RelayHub } from "../../../src/relay/RelayHub.ts"
import { defaultRelayLimits } from "../../../src/relay/RelayLimits.ts"
import type { SimHost } from "../SimHost.ts"
import type { SimStream } from "../stream/SimStream.ts"
import type { TimelineEvent } from "../Timeline.ts"
import { SimCarrier } from "./SimCarrier.ts"

/**
 * A datagram on its way through a relay.
 *
 * @category models
 * @since 0.1.0
 */
export interface Relayed {
  /** The sender's key, as the relay says. */
  readonly from: Uint8Array
  /** The receiver's key. */
  readonly to: Uint8Array
  /** ECN bits. */
  readonly ecn: EcnCodepoint
  /** The datagram. */
  readonly bytes: Uint8Array
}

/**
 * Settings of a simulated relay.
 *
 * @category options
 * @since 0.1.0
 */
export interface SimRelayOptions {
  /** Default 3340. */
  readonly port?: number
  /** Keys that it lets in. Default all. */
  readonly admits?: (key: Uint8Array) => boolean
}

/**
 * What a simulated relay has forwarded, and not, since it was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimRelayCounters {
  /** Datagrams forwarded. */
  readonly datagrams: number
  /** Bytes of them. */
  readonly bytes: number
  /** Dropped: nobody with that key is connected. */
  readonly unknown: number
  /** Dropped: too much waits for that client. */
  readonly queueFull: number
}

const nothing: SimRelayCounters = { datagrams: 0, bytes: 0, unknown: 0, queueFull: 0 }

/**
 * A relay, made by `SimRelay.make`. It is the hub of `RelayServer` with its default limits, over simulated streams.
 *
 * @category models
 * @since 0.1.0
 */
export class SimRelay {
  /** How clients name it. */
  readonly url: string
  /** For tests: what becomes of a datagram. Returns what is delivered instead of it, in any number. */
  tamper: ((relayed: Relayed) => ReadonlyArray<Relayed>) | undefined = undefined
  private readonly host: SimHost
  private readonly options: SimRelayOptions
  private readonly crypto: CryptoSuiteShape
  private readonly randomBytes: (length: number) => Uint8Array
  private readonly frame = new ReceivedRelayFrame()
  private readonly carriers = new Set<SimCarrier>()
  /** Of the hubs before, as each start has its own. */
  private past = nothing
  private hub: RelayHub
  private wake: TimelineEvent | undefined
  private stopListening: (() => void) | undefined

  private constructor(
    host: SimHost,
    options: SimRelayOptions,
    crypto: CryptoSuiteShape,
    randomBytes: (length: number) => Uint8Array
  ) {
    this.host = host
    this.options = options
    this.crypto = crypto
    this.randomBytes = randomBytes
    this.url = `http://${host.addresses[0]}:${this.port}/`
    this.hub = this.newHub()
  }

  /**
   * Runs a relay on the host until the scope closes. Clients reach it over the packets of the simulated network, also
   * where UDP is blocked.
   */
  static readonly make = (
    host: SimHost,
    options: SimRelayOptions = {}
  ): Effect.Effect<SimRelay, never, CryptoSuite | Entropy | Scope.Scope> =>
    Effect.gen(function* () {
      const { randomBytes } = yield* Entropy
      const relay = new SimRelay(host, options, yield* CryptoSuite, randomBytes)
      yield* Effect.acquireRelease(
        Effect.sync(() => relay.start()),
        () => Effect.sync(() => relay.stop())
      )
      return relay
    })

  /** Number of keys that are connected. */
  get clientCount(): number {
    return this.hub.clients
  }

  /** What it has forwarded, and not. */
  get counters(): SimRelayCounters {
    const { forwarded, forwardedBytes, droppedUnknown, droppedFull } = this.hub.counters
    const { datagrams, bytes, unknown, queueFull } = this.past
    return {
      datagrams: datagrams + forwarded,
      bytes: bytes + forwardedBytes,
      unknown: unknown + droppedUnknown,
      queueFull: queueFull + droppedFull
    }
  }

  /**
   * Goes away for so long, milliseconds, and says so to its clients, who are told to come back after that time and to try
   * for ten seconds.
   */
  restart(downMillis: number): Effect.Effect<void> {
    return Effect.sync(() => {
      this.hub.drain(downMillis, 10_000)
      this.stop()
      this.past = this.counters
      this.hub = this.newHub()
    }).pipe(Effect.andThen(Effect.sleep(downMillis)), Effect.andThen(Effect.sync(() => this.start())))
  }

  /** For tests: sends a datagram to the client with this key as if a peer had. */
  forge({ from, to, ecn, bytes }: Relayed): void {
    const target = this.servedFor(to)
    if (target?.writable === true)
      target.stream.send(encodeDatagram(RelayFrameType.relayDatagram, from, ecn, bytes))
  }

  /** For tests: tells a client that a peer has left, whether it has or not. */
  announceGone(to: Uint8Array, gone: Uint8Array): void {
    this.servedFor(to)?.stream.send(encodeGone(gone))
  }

  private get port(): number {
    return this.options.port ?? 3340
  }

  /** Whole microseconds, so that a deadline rounded up has passed when it wakes the hub. */
  private get nowMicros(): number {
    return Math.floor(this.host.streams.timeline.nowNanos / 1000)
  }

  private newHub(): RelayHub {
    const { crypto, randomBytes: random, options } = this
    return new RelayHub({
      limits: defaultRelayLimits,
      crypto,
      random,
      allows: options.admits ?? (() => true)
    })
  }

  private start(): void {
    this.stopListening = this.host.streams.listen(this.port, (stream) => this.accept(stream))
  }

  private stop(): void {
    this.stopListening?.()
    this.hub.closeAll()
    this.carriers.clear()
    this.schedule()
  }

  private accept(stream: SimStream): void {
    const { hub } = this
    if (!hub.mayAccept(stream.remote)) return stream.abort()
    const carrier = new SimCarrier(stream, (to, frame) => this.passes(to, frame))
    this.carriers.add(carrier)
    const member = hub.accept(carrier, stream.remote, { _tag: "challenge" }, this.nowMicros)
    stream.onMessage = (message) => {
      const { isProven } = member
      member.onFrame(message, 0, message.length, this.nowMicros)
      if (member.isProven && !isProven) {
        const { headStart } = hub.received
        carrier.key = message.slice(headStart, headStart + PUBLIC_KEY_BYTES)
      }
      this.schedule()
    }
    stream.onDrained = () => member.onWritable()
    stream.onClosed = () => {
      this.carriers.delete(carrier)
      member.onClosed()
      this.schedule()
    }
    this.schedule()
  }

  /** Wakes the hub at its deadline. */
  private schedule(): void {
    const { timeline } = this.host.streams
    const atNanos = Math.ceil(this.hub.deadlineMicros) * 1000
    if (this.wake?.atNanos === atNanos) return
    if (this.wake !== undefined) timeline.cancel(this.wake)
    this.wake = undefined
    if (atNanos === Number.POSITIVE_INFINITY) return
    this.wake = timeline.at(atNanos, () => {
      this.wake = undefined
      this.hub.onTimeout(this.nowMicros)
      this.schedule()
    })
  }

  /** Whether a frame of the hub is delivered as it is. */
  private passes({ key: to }: SimCarrier, message: Uint8Array): boolean {
    const { frame, tamper } = this
    if (tamper === undefined || to === undefined) return true
    if (!frame.parse(message) || frame.type !== RelayFrameType.relayDatagram) return true
    const { headStart, bodyStart, bodyEnd, ecn } = frame
    const from = message.slice(headStart, headStart + PUBLIC_KEY_BYTES)
    for (const each of tamper({ from, to, ecn, bytes: message.slice(bodyStart, bodyEnd) })) this.forge(each)
    return false
  }

  /** The last one that has come with the key. */
  private servedFor(to: Uint8Array): SimCarrier | undefined {
    let served: SimCarrier | undefined
    for (const carrier of this.carriers)
      if (carrier.key !== undefined && sameBytes(carrier.key, to)) served = carrier
    return served
  }
}
