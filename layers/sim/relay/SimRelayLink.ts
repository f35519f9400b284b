/** A client's connection to a simulated relay. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import {
  type RelayClosed,
  RelayError,
  type RelayIdentity,
  type RelayLink,
  type RelayLinkListener
} from "../../../src/capability/RelayPort.ts"
import type { EcnCodepoint } from "../../../src/capability/UdpPort.ts"
import {
  encodeClientAuth,
  encodeDatagram,
  encodePong,
  ReceivedRelayFrame,
  RelayFrameType,
  RelayStatus
} from "../../../src/relay/frames.ts"
import { signChallenge } from "../../../src/relay/handshake.ts"
import { printable } from "../../../src/internal/printable.ts"
import type { SimStream } from "../stream/SimStream.ts"

/** Bytes waiting above which a link is congested, and above which it drops. */
const congestedBytes = 262_144
const fullBytes = 1_048_576
/** Datagrams kept until somebody listens. */
const maxEarly = 64

export class SimRelayLink implements RelayLink {
  readonly url: string
  readonly counters = { sent: 0, received: 0, sentBytes: 0, receivedBytes: 0, sendDropped: 0 }
  readonly closed: Effect.Effect<RelayClosed>
  /** Waits until the relay has let this key in. */
  readonly authenticated: Effect.Effect<void, RelayError>
  private readonly stream: SimStream
  private readonly frame = new ReceivedRelayFrame()
  private readonly identity: RelayIdentity
  private readonly ended = Deferred.makeUnsafe<RelayClosed>()
  private listener: RelayLinkListener | undefined
  private early: Array<(listener: RelayLinkListener) => void> = []
  private readonly admitted = Deferred.makeUnsafe<void, RelayError>()
  private wasCongested = false
  private isOver = false

  constructor(url: string, stream: SimStream, identity: RelayIdentity) {
    this.url = url
    this.stream = stream
    this.identity = identity
    this.authenticated = Deferred.await(this.admitted)
    this.closed = Deferred.await(this.ended)
    stream.onMessage = (message) => this.receive(message)
    stream.onDrained = () => this.onDrained()
    stream.onClosed = (problem) => {
      this.refuse("Unreachable", problem)
      this.end({ _tag: "Lost", problem })
    }
  }

  get congested(): boolean {
    const { bufferedBytes } = this.stream
    const isCongested = bufferedBytes > (this.wasCongested ? congestedBytes / 2 : congestedBytes)
    this.wasCongested = isCongested
    return isCongested
  }

  get rttMillis(): number | undefined {
    return this.stream.rttMillis
  }

  send(to: Uint8Array, ecn: EcnCodepoint, buffer: Uint8Array, start: number, end: number): void {
    const { counters, stream } = this
    if (this.isOver || stream.bufferedBytes > fullBytes) {
      counters.sendDropped++
      return
    }
    counters.sent++
    counters.sentBytes += end - start
    stream.send(encodeDatagram(RelayFrameType.clientDatagram, to, ecn, buffer, start, end))
    void this.congested
  }

  listen(listener: RelayLinkListener): void {
    this.listener = listener
    const { early } = this
    this.early = []
    for (const pass of early) pass(listener)
  }

  /** Ends it from this side. */
  close(): void {
    this.end({ _tag: "Lost", problem: "closed" })
    this.stream.end()
  }

  private onDrained(): void {
    if (this.wasCongested && !this.congested) this.listener?.onWritable()
  }

  private receive(message: Uint8Array): void {
    const { frame } = this
    if (!frame.parse(message)) return this.fail("sent what is no frame")
    switch (frame.type) {
      case RelayFrameType.serverChallenge: {
        const { headStart } = frame
        const challenge = message.subarray(headStart, headStart + 16)
        this.stream.send(encodeClientAuth(this.identity.publicKey, signChallenge(this.identity, challenge)))
        return
      }
      case RelayFrameType.serverConfirmsAuth:
        Deferred.doneUnsafe(this.admitted, Effect.void)
        return
      case RelayFrameType.serverDeniesAuth: {
        const reason = printable(new TextDecoder().decode(message.subarray(frame.bodyStart, frame.bodyEnd)))
        this.refuse("Denied", reason)
        return this.end({ _tag: "Denied", problem: reason })
      }
      case RelayFrameType.ping:
        this.stream.send(encodePong(message.subarray(frame.headStart, frame.headStart + 8)))
        return
      case RelayFrameType.restarting:
        this.end({
          _tag: "Restarting",
          reconnectInMillis: frame.reconnectInMillis,
          tryForMillis: frame.tryForMillis
        })
        return
      case RelayFrameType.status:
        if (frame.status === RelayStatus.replaced) this.end({ _tag: "Replaced" })
        return
      case RelayFrameType.relayDatagram:
        return this.onDatagram(message)
      case RelayFrameType.endpointGone: {
        const key = message.slice(frame.headStart, frame.headStart + 32)
        return this.pass((listener) => listener.onGone(key))
      }
      default:
        return
    }
  }

  private onDatagram(message: Uint8Array): void {
    const { ecn, headStart, bodyStart, bodyEnd } = this.frame
    const from = message.subarray(headStart, headStart + 32)
    const bytes = message.subarray(bodyStart, bodyEnd)
    this.counters.received++
    this.counters.receivedBytes += bytes.length
    this.pass((listener) => listener.onDatagram(from, ecn, bytes))
  }

  private pass(tell: (listener: RelayLinkListener) => void): void {
    if (this.isOver) return
    if (this.listener !== undefined) tell(this.listener)
    else if (this.early.length < maxEarly) this.early.push(tell)
  }

  private fail(problem: string): void {
    this.refuse("Protocol", problem)
    this.end({ _tag: "Lost", problem })
  }

  /** Without effect once it has been admitted. */
  private refuse(reason: RelayError["reason"], message: string): void {
    Deferred.doneUnsafe(this.admitted, Effect.fail(new RelayError({ reason, url: this.url, message })))
  }

  private end(why: RelayClosed): void {
    if (this.isOver) return
    this.isOver = true
    Deferred.doneUnsafe(this.ended, Effect.succeed(why))
    this.stream.end()
  }
}
