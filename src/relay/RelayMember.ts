import type { Timed } from "../internal/DeadlineHeap.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import { ByteBudget } from "./ByteBudget.ts"
import * as Frames from "./frames.ts"
import { CloseCode, type RelayCarrier } from "./RelayCarrier.ts"
import type { RelayCounters } from "./RelayCounters.ts"
import { FRAME_COST, PING_MICROS, type RelayLimits } from "./RelayLimits.ts"
import type { RelayPeer } from "./RelayPeer.ts"
import { type QueuedBytes, SendQueue } from "./SendQueue.ts"

const { RelayFrameType, RelayStatus } = Frames

/** What a connection asks of its relay. */
export interface RelayRegistry {
  readonly limits: RelayLimits
  readonly counters: RelayCounters
  readonly queued: QueuedBytes
  readonly random: RandomBytes
  /** The one frame that is being read. */
  readonly received: Frames.ReceivedRelayFrame
  schedule(member: RelayMember, deadlineMicros: number): void
  /** An answer to its challenge: `admit` or `deny` follows. */
  prove(
    member: RelayMember,
    publicKey: Uint8Array,
    challenge: Uint8Array,
    signature: Uint8Array,
    nowMicros: number
  ): void
  /** Datagrams of a frame, to the connection that is served for their key. */
  forward(from: RelayPeer, frame: Frames.ReceivedRelayFrame, bytes: Uint8Array): void
  /** The connection has ended. */
  remove(member: RelayMember, peer: RelayPeer | undefined): void
}

/** A client's connection to a relay. Whoever has it calls the methods that begin with `on`. */
export class RelayMember implements Timed {
  heapIndex = -1
  deadlineMicros = Number.POSITIVE_INFINITY
  /** Whom its connection counts for. */
  readonly source: string
  private readonly hub: RelayRegistry
  private readonly carrier: RelayCarrier
  private readonly queue: SendQueue
  private readonly budget: ByteBudget
  /** Undefined before the key is proven. */
  private peer: RelayPeer | undefined
  private challenge: Uint8Array | undefined
  private isClosed = false
  private wasHeard = true
  private pingMicros = Number.POSITIVE_INFINITY
  private resumeMicros = Number.POSITIVE_INFINITY
  /** What the client was told last; it is healthy again when it has kept to its rate from one ping to the next. */
  private isSlowed = false
  private wasSlowed = false

  constructor(hub: RelayRegistry, carrier: RelayCarrier, source: string, nowMicros: number) {
    const { limits } = hub
    this.hub = hub
    this.carrier = carrier
    this.source = source
    this.queue = new SendQueue(limits, hub.queued)
    this.budget = new ByteBudget(limits.bytesPerSecond, limits.burstBytes, nowMicros)
  }

  get isProven(): boolean {
    return this.peer !== undefined
  }

  /** A binary message of the WebSocket; `bytes` are lent. */
  onFrame(bytes: Uint8Array, start: number, end: number, nowMicros: number): void {
    if (this.isClosed) return
    this.wasHeard = true
    const { received, counters } = this.hub
    if (this.peer !== undefined && !this.mayRead(end - start, nowMicros)) {
      counters.droppedRate++
      return
    }
    if (!received.parse(bytes, start, end)) return this.onMalformed("not a frame of the relay protocol")
    if (this.peer === undefined) this.onProof(received, bytes, nowMicros)
    else this.onAuthenticated(this.peer, received, bytes)
  }

  /** A text message, which the protocol has not, or one that is too long. */
  onMalformed(problem: string): void {
    if (this.isClosed) return
    this.hub.counters.malformed++
    this.end(CloseCode.protocolError, problem)
  }

  onWritable(): void {
    while (!this.queue.isEmpty && this.carrier.writable) this.carrier.send(this.queue.shift()!)
  }

  /** The connection has ended by itself. */
  onClosed(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.queue.clear()
    this.hub.remove(this, this.peer)
  }

  /** For the hub: asks for a proof, until `deadlineMicros`. */
  askProof(challenge: Uint8Array, deadlineMicros: number): void {
    this.challenge = challenge
    this.carrier.send(Frames.encodeChallenge(challenge))
    this.hub.schedule(this, deadlineMicros)
  }

  /** For the hub: the key is proven and has a place. */
  admit(peer: RelayPeer, nowMicros: number): void {
    this.peer = peer
    this.challenge = undefined
    this.carrier.send(Frames.encodeConfirmsAuth())
    this.pingMicros = nowMicros + PING_MICROS
    this.reschedule()
  }

  /** For the hub: it is not let in. */
  deny(reason: string): void {
    this.hub.counters.denied++
    this.carrier.send(Frames.encodeDeniesAuth(reason))
    this.end(CloseCode.policy, reason)
  }

  /** Sends a frame, or queues it; false when there is no room. */
  deliver(frame: Uint8Array): boolean {
    if (this.isClosed) return false
    if (!this.queue.isEmpty || !this.carrier.writable) return this.queue.push(frame)
    this.carrier.send(frame)
    return true
  }

  /** Sends a frame although it is not writable: the last one it gets. */
  deliverLast(frame: Uint8Array): void {
    if (!this.isClosed) this.carrier.send(frame)
  }

  end(code: CloseCode, reason: string): void {
    if (this.isClosed) return
    this.onClosed()
    this.carrier.close(code, reason)
  }

  onTimeout(nowMicros: number): void {
    if (this.peer === undefined) {
      this.hub.counters.expired++
      return this.end(CloseCode.policy, "no proof of a key in time")
    }
    if (nowMicros >= this.resumeMicros) {
      this.resumeMicros = Number.POSITIVE_INFINITY
      this.carrier.resume()
    }
    if (nowMicros >= this.pingMicros) this.onPingDue(nowMicros)
    if (!this.isClosed) this.reschedule()
  }

  private onPingDue(nowMicros: number): void {
    // one that is not read from cannot be heard
    if (!this.wasHeard && this.resumeMicros === Number.POSITIVE_INFINITY) {
      this.hub.counters.silent++
      return this.end(CloseCode.goingAway, "nothing heard since the last ping")
    }
    this.wasHeard = false
    this.pingMicros = nowMicros + PING_MICROS
    this.deliver(Frames.encodePing(this.hub.random(Frames.PING_BYTES)))
    if (this.isSlowed && !this.wasSlowed) {
      this.isSlowed = false
      this.deliver(Frames.encodeStatus(RelayStatus.healthy))
    }
    this.wasSlowed = false
  }

  private reschedule(): void {
    this.hub.schedule(this, Math.min(this.pingMicros, this.resumeMicros))
  }

  /** Stops reading from a client that has sent more than it may; false if it goes on nevertheless. */
  private mayRead(length: number, nowMicros: number): boolean {
    const isCovered = this.budget.take(length + FRAME_COST, nowMicros)
    if (!this.budget.isSpent || this.resumeMicros !== Number.POSITIVE_INFINITY) return isCovered
    this.resumeMicros = this.budget.restoredMicros
    this.reschedule()
    this.carrier.pause()
    this.hub.counters.rateLimited++
    this.wasSlowed = true
    if (!this.isSlowed) {
      this.isSlowed = true
      this.deliver(Frames.encodeStatus(RelayStatus.rateLimited))
    }
    return isCovered
  }

  private onProof(frame: Frames.ReceivedRelayFrame, bytes: Uint8Array, nowMicros: number): void {
    if (frame.type !== RelayFrameType.clientAuth || this.challenge === undefined)
      return this.onMalformed("something else than a proof of a key")
    const publicKey = bytes.slice(frame.headStart, frame.signatureStart - 1)
    const signature = bytes.slice(frame.signatureStart, frame.signatureStart + Frames.SIGNATURE_BYTES)
    this.hub.prove(this, publicKey, this.challenge, signature, nowMicros)
  }

  private onAuthenticated(from: RelayPeer, frame: Frames.ReceivedRelayFrame, bytes: Uint8Array): void {
    switch (frame.type) {
      case RelayFrameType.clientDatagram:
      case RelayFrameType.clientBatch:
        return this.hub.forward(from, frame, bytes)
      case RelayFrameType.ping:
        this.deliver(Frames.encodePong(bytes.subarray(frame.headStart, frame.headStart + Frames.PING_BYTES)))
        return
      case RelayFrameType.pong:
        return
      default:
        if (frame.type <= RelayFrameType.status) this.onMalformed("a frame that only relays send")
    }
  }
}
