import type { CryptoSuiteShape } from "../capability/CryptoSuite.ts"
import { DeadlineHeap } from "../internal/DeadlineHeap.ts"
import { PUBLIC_KEY_BYTES } from "../internal/ed25519.ts"
import { KeyedTable } from "../internal/KeyedTable.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { SOURCE_BYTES, writeSource } from "../wire/sourcePrefix.ts"
import * as Frames from "./frames.ts"
import { type HeaderVerdict, verifyChallenge } from "./handshake.ts"
import { CloseCode, type RelayCarrier } from "./RelayCarrier.ts"
import { RelayCounters } from "./RelayCounters.ts"
import { CONNECTIONS_PER_KEY, type RelayLimits } from "./RelayLimits.ts"
import { RelayMember, type RelayRegistry } from "./RelayMember.ts"
import { RelayPeer } from "./RelayPeer.ts"
import { SourceCounts } from "./SourceCounts.ts"

export interface RelayHubOptions {
  readonly limits: RelayLimits
  readonly crypto: CryptoSuiteShape
  readonly random: RandomBytes
  /** Whether the holder of a key is let in. */
  readonly allows: (publicKey: Uint8Array) => boolean
}

/**
 * A relay without its sockets: who is connected, who may send, and what waits for whom. It sees keys and lengths; what it
 * passes on is QUIC's ciphertext.
 *
 * Time is an argument: whoever has it calls `onTimeout` at `deadlineMicros`, which any call may change.
 */
export class RelayHub implements RelayRegistry {
  readonly limits: RelayLimits
  readonly random: RandomBytes
  readonly counters = new RelayCounters()
  readonly queued = { total: 0 }
  /** The one frame that is being read. */
  readonly received = new Frames.ReceivedRelayFrame()
  private readonly crypto: CryptoSuiteShape
  private readonly allows: (publicKey: Uint8Array) => boolean
  private readonly peers: KeyedTable<RelayPeer>
  private readonly deadlines = new DeadlineHeap<RelayMember>()
  /** Those that have not proved a key, the oldest first. */
  private readonly pending = new Set<RelayMember>()
  private readonly members = new Set<RelayMember>()
  private readonly pendingSources = new SourceCounts()
  private readonly sources = new SourceCounts()
  private isDraining = false

  constructor({ limits, crypto, random, allows }: RelayHubOptions) {
    this.limits = limits
    this.crypto = crypto
    this.random = random
    this.allows = allows
    this.peers = new KeyedTable(random)
  }

  get clients(): number {
    return this.peers.size
  }

  get connections(): number {
    return this.members.size
  }

  get pendingConnections(): number {
    return this.pending.size
  }

  /** Infinity while nobody is connected. */
  get deadlineMicros(): number {
    return this.deadlines.earliestMicros
  }

  onTimeout(nowMicros: number): void {
    for (;;) {
      const member = this.deadlines.popDue(nowMicros)
      if (member === undefined) return
      member.onTimeout(nowMicros)
    }
  }

  /**
   * Whether a connection from there may begin; asked before anything is done for it. When all places of those that have
   * proved nothing are taken, the oldest of them has had the most time.
   */
  mayAccept(remote: SocketAddress): boolean {
    const source = sourceOf(remote)
    const { pendingPerSource, connectionsPerSource } = this.limits
    if (
      !this.isDraining &&
      this.pendingSources.of(source) < pendingPerSource &&
      this.sources.of(source) < connectionsPerSource
    )
      return true
    this.counters.refused++
    return false
  }

  /** A connection that `mayAccept` has allowed. `header` is what its request has shown already. */
  accept(
    carrier: RelayCarrier,
    remote: SocketAddress,
    header: HeaderVerdict,
    nowMicros: number
  ): RelayMember {
    const source = sourceOf(remote)
    const member = new RelayMember(this, carrier, source, nowMicros)
    this.counters.accepted++
    this.members.add(member)
    this.sources.add(source)
    this.makeRoom()
    this.pending.add(member)
    this.pendingSources.add(source)
    if (header._tag === "proven") this.decide(member, header.publicKey, nowMicros)
    else if (header._tag === "forged") member.deny(WRONG_SIGNATURE)
    else
      member.askProof(this.random(Frames.CHALLENGE_BYTES), nowMicros + this.limits.authTimeoutMillis * 1000)
    return member
  }

  /** Tells all clients to come back later, and lets nobody in any more. */
  drain(reconnectInMillis: number, tryForMillis: number): void {
    this.isDraining = true
    const restarting = Frames.encodeRestarting(reconnectInMillis, tryForMillis)
    for (const member of this.members) if (member.isProven) member.deliverLast(restarting)
    for (const member of this.pending) member.end(CloseCode.goingAway, "the relay is restarting")
  }

  closeAll(): void {
    this.isDraining = true
    for (const member of this.members) member.end(CloseCode.goingAway, "the relay has stopped")
  }

  /** For members: an answer to their challenge. */
  prove(
    member: RelayMember,
    publicKey: Uint8Array,
    challenge: Uint8Array,
    signature: Uint8Array,
    nowMicros: number
  ): void {
    if (verifyChallenge(this.crypto, publicKey, challenge, signature))
      this.decide(member, publicKey, nowMicros)
    else member.deny(WRONG_SIGNATURE)
  }

  /** For members: datagrams of a frame, to the connection that is served for their key. */
  forward(from: RelayPeer, frame: Frames.ReceivedRelayFrame, bytes: Uint8Array): void {
    const { counters } = this
    const to = this.peers.get(bytes, frame.headStart, frame.headStart + PUBLIC_KEY_BYTES)
    const member = to?.served
    if (to === undefined || member === undefined) {
      counters.droppedUnknown++
      return
    }
    const length = frame.bodyEnd - frame.bodyStart
    if (!member.deliver(Frames.encodeForwarded(frame, bytes, from.key))) {
      counters.droppedFull++
      return
    }
    counters.forwarded++
    counters.forwardedBytes += length
    from.noteSent(to, this.limits.rememberedPeers)
  }

  schedule(member: RelayMember, deadlineMicros: number): void {
    this.deadlines.set(member, deadlineMicros)
  }

  /** For members: a connection has ended. */
  remove(member: RelayMember, peer: RelayPeer | undefined): void {
    this.deadlines.remove(member)
    this.members.delete(member)
    this.sources.remove(member.source)
    this.settle(member)
    if (peer !== undefined) this.leave(member, peer)
  }

  private makeRoom(): void {
    for (const oldest of this.pending) {
      if (this.pending.size < this.limits.pending) return
      this.counters.expired++
      oldest.end(CloseCode.tryAgainLater, "too many connections have not proved a key")
    }
  }

  /** The member is not one of those that have proved nothing any more. */
  private settle(member: RelayMember): void {
    if (this.pending.delete(member)) this.pendingSources.remove(member.source)
  }

  /** Lets in a key that is proven, if it may and there is a place. */
  private decide(member: RelayMember, publicKey: Uint8Array, nowMicros: number): void {
    const known = this.peers.get(publicKey, 0, publicKey.length)
    if (!this.allows(publicKey)) return member.deny("this relay does not serve this key")
    if (known === undefined && this.peers.size >= this.limits.clients)
      return member.deny("this relay has no place for another client")
    this.settle(member)
    this.counters.authenticated++
    const peer = known ?? new RelayPeer(publicKey)
    if (known === undefined) this.peers.add(publicKey, peer)
    const before = peer.served
    peer.members.push(member)
    member.admit(peer, nowMicros)
    if (before === undefined) return
    this.counters.replaced++
    before.deliver(Frames.encodeStatus(Frames.RelayStatus.replaced))
    if (peer.members.length > CONNECTIONS_PER_KEY)
      peer.members[0].end(CloseCode.policy, "newer connections have the same key")
  }

  private leave(member: RelayMember, peer: RelayPeer): void {
    const { members } = peer
    const wasServed = peer.served === member
    members.splice(members.indexOf(member), 1)
    const next = peer.served
    if (next !== undefined) {
      if (wasServed) next.deliver(Frames.encodeStatus(Frames.RelayStatus.healthy))
      return
    }
    this.peers.remove(peer.key, peer)
    const gone = Frames.encodeGone(peer.key)
    peer.leave((other) => other.served?.deliver(gone))
  }
}

const WRONG_SIGNATURE = "the signature does not prove the key"

const scratch = new Uint8Array(SOURCE_BYTES)

const sourceOf = (remote: SocketAddress): string =>
  String.fromCharCode(...scratch.subarray(0, writeSource(remote, scratch)))
