/** A relay on a simulated host: speaks the relay protocol over simulated streams, and can be told to misbehave. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CryptoSuite, type CryptoSuiteShape } from "../../../src/capability/CryptoSuite.ts"
import type { EcnCodepoint } from "../../../src/capability/UdpPort.ts"
import { Entropy } from "../../../src/capability/Entropy.ts"
import { hexadecimal } from "../../../src/internal/hexadecimal.ts"
import {
  encodeChallenge,
  encodeConfirmsAuth,
  encodeDatagram,
  encodeDeniesAuth,
  encodeGone,
  encodePing,
  encodeRestarting,
  encodeStatus,
  ReceivedRelayFrame,
  RelayFrameType,
  RelayStatus
} from "../../../src/relay/frames.ts"
import { verifyChallenge } from "../../../src/relay/handshake.ts"
import type { SimHost } from "../SimHost.ts"
import type { SimStream } from "../stream/SimStream.ts"

const pingMillis = 15_000
/** What may wait for a client: 512 packets. */
const maxWaitingBytes = 700_000
/** Peers of a client that are told when it leaves. */
const maxTold = 1024

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

class Client {
  readonly stream: SimStream
  readonly challenge: Uint8Array
  key: Uint8Array | undefined
  /** Keys of those it has sent to. */
  readonly sentTo = new Map<string, Uint8Array>()

  constructor(stream: SimStream, challenge: Uint8Array) {
    this.stream = stream
    this.challenge = challenge
  }
}

/**
 * A relay, made by `SimRelay.make`.
 *
 * @category models
 * @since 0.1.0
 */
export class SimRelay {
  /** How clients name it. */
  readonly url: string
  /** What it has forwarded, and not. */
  readonly counters = {
    /** Datagrams forwarded. */
    datagrams: 0,
    /** Bytes of them. */
    bytes: 0,
    /** Dropped: nobody with that key is connected. */
    unknown: 0,
    /** Dropped: too much waits for that client. */
    queueFull: 0
  }
  /** For tests: what becomes of a datagram. Returns what is forwarded instead of it, in any number. */
  tamper: ((relayed: Relayed) => ReadonlyArray<Relayed>) | undefined = undefined
  private readonly host: SimHost
  private readonly options: SimRelayOptions
  private readonly crypto: CryptoSuiteShape
  private readonly randomBytes: (length: number) => Uint8Array
  private readonly frame = new ReceivedRelayFrame()
  private readonly all = new Set<Client>()
  private readonly byKey = new Map<string, Client>()
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
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            Effect.sleep(pingMillis),
            Effect.sync(() => relay.ping())
          )
        )
      )
      return relay
    })

  /** Number of clients that have proven their keys. */
  get clientCount(): number {
    return this.byKey.size
  }

  /**
   * Goes away for so long, milliseconds, and says so to its clients, who are told to come back after that time and to try
   * for ten seconds.
   */
  restart(downMillis: number): Effect.Effect<void> {
    return Effect.sync(() => {
      for (const { stream } of this.all) stream.send(encodeRestarting(downMillis, 10_000))
      this.stop()
    }).pipe(Effect.andThen(Effect.sleep(downMillis)), Effect.andThen(Effect.sync(() => this.start())))
  }

  /** For tests: sends a datagram to the client with this key as if a peer had. */
  forge(relayed: Relayed): void {
    this.pass(relayed)
  }

  /** For tests: tells a client that a peer has left, whether it has or not. */
  announceGone(to: Uint8Array, gone: Uint8Array): void {
    this.byKey.get(hexadecimal(to))?.stream.send(encodeGone(gone))
  }

  private get port(): number {
    return this.options.port ?? 3340
  }

  private start(): void {
    this.stopListening = this.host.streams.listen(this.port, (stream) => this.accept(stream))
  }

  private stop(): void {
    this.stopListening?.()
    for (const client of [...this.all]) {
      this.remove(client)
      client.stream.end()
    }
  }

  private accept(stream: SimStream): void {
    const client = new Client(stream, this.randomBytes(16))
    this.all.add(client)
    stream.onMessage = (message) => this.receive(client, message)
    stream.onClosed = () => this.remove(client)
    stream.send(encodeChallenge(client.challenge))
  }

  private receive(client: Client, message: Uint8Array): void {
    const { frame } = this
    if (!this.all.has(client)) return
    if (!frame.parse(message)) return this.deny(client, "that is no frame")
    if (client.key === undefined) return this.authenticate(client, message)
    if (frame.type === RelayFrameType.clientDatagram) this.forward(client, client.key, message)
  }

  private authenticate(client: Client, message: Uint8Array): void {
    const { type, headStart, signatureStart } = this.frame
    if (type !== RelayFrameType.clientAuth) return this.deny(client, "who are you?")
    const key = message.slice(headStart, headStart + 32)
    const signature = message.subarray(signatureStart, signatureStart + 64)
    if (!verifyChallenge(this.crypto, key, client.challenge, signature))
      return this.deny(client, "the signature is wrong")
    if (this.options.admits?.(key) === false) return this.deny(client, "not admitted")
    const name = hexadecimal(key)
    const before = this.byKey.get(name)
    if (before !== undefined) {
      before.stream.send(encodeStatus(RelayStatus.replaced))
      before.key = undefined
      this.all.delete(before)
      before.stream.end()
    }
    client.key = key
    this.byKey.set(name, client)
    client.stream.send(encodeConfirmsAuth())
  }

  private forward(client: Client, key: Uint8Array, message: Uint8Array): void {
    const { headStart, bodyStart, bodyEnd, ecn } = this.frame
    const to = message.slice(headStart, headStart + 32)
    const relayed = { from: key, to, ecn, bytes: message.slice(bodyStart, bodyEnd) }
    if (client.sentTo.size < maxTold) client.sentTo.set(hexadecimal(to), to)
    for (const each of this.tamper?.(relayed) ?? [relayed]) this.pass(each)
  }

  private pass({ from, to, ecn, bytes }: Relayed): void {
    const target = this.byKey.get(hexadecimal(to))
    if (target === undefined) {
      this.counters.unknown++
      return
    }
    if (target.stream.bufferedBytes > maxWaitingBytes) {
      this.counters.queueFull++
      return
    }
    this.counters.datagrams++
    this.counters.bytes += bytes.length
    target.stream.send(encodeDatagram(RelayFrameType.relayDatagram, from, ecn, bytes))
  }

  private deny(client: Client, reason: string): void {
    client.stream.send(encodeDeniesAuth(reason))
    this.remove(client)
    client.stream.end()
  }

  private remove(client: Client): void {
    this.all.delete(client)
    const { key } = client
    if (key === undefined) return
    client.key = undefined
    const name = hexadecimal(key)
    if (this.byKey.get(name) === client) this.byKey.delete(name)
    for (const to of client.sentTo.keys()) this.byKey.get(to)?.stream.send(encodeGone(key))
  }

  private ping(): void {
    for (const { stream, key } of this.all)
      if (key !== undefined) stream.send(encodePing(this.randomBytes(8)))
  }
}
