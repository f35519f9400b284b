import type { Limits } from "../admission/Limits.ts"
import { RateLimit } from "../admission/RateLimit.ts"
import type { StatelessReplyCounts } from "../capability/EndpointStatistics.ts"
import type { SocketNumber } from "../path/Route.ts"
import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import { buildStatelessReset, isAnswerable } from "../path/statelessReset.ts"
import { initialKeys } from "../protect/initialKeys.ts"
import { retryIntegrityTag } from "../protect/retryIntegrity.ts"
import type { PacketHeader } from "../wire/PacketHeader.ts"
import type { Version } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { TransportError } from "../wire/TransportError.ts"
import { reservedVersion, writeRetry, writeVersionNegotiation } from "../wire/versionPackets.ts"
import type { AddressTokens } from "./AddressTokens.ts"
import type { EndpointCounters } from "./EndpointCounters.ts"
import { isAuthenticInitial, writeStatelessClose } from "./statelessClose.ts"

/** A datagram without a connection: Version Negotiation, Retry, a refusal, or a stateless reset. */
export interface Reply {
  readonly bytes: Uint8Array
  readonly to: SocketAddress
  /** The socket to send on: the one that received the datagram it answers. */
  readonly socket: SocketNumber
}

/** The share of Retry packets for sources that have sent much of late. */
const BUSY_SHARE = 1 / 4

/** A received datagram, its sender and its socket. */
export interface Arrival {
  readonly bytes: Uint8Array
  /** Of its first packet. */
  readonly header: PacketHeader
  readonly from: SocketAddress
  readonly socket: SocketNumber
  /** Its source has sent much of late: all such sources share half of the Retry packets at once, and a quarter of those a
   * second. */
  readonly isBusy: boolean
}

/**
 * Answers datagrams without a connection. Each kind has a rate limit of its own, charged before any work: a flood that
 * asks for one leaves the others. RFC 9000 §6.1, §10.3
 */
export class StatelessReplies {
  private readonly suite: CryptoSuiteShape
  private readonly random: RandomBytes
  private readonly makeResetToken: (connectionId: Uint8Array) => Uint8Array
  private readonly retries: RateLimit
  private readonly retriesToBusy: RateLimit
  private readonly refusals: RateLimit
  private readonly negotiations: RateLimit
  private readonly resets: RateLimit
  private readonly counters: EndpointCounters
  private readonly waiting: Array<Reply> = []

  constructor(
    suite: CryptoSuiteShape,
    random: RandomBytes,
    limits: Limits,
    makeResetToken: (connectionId: Uint8Array) => Uint8Array,
    counters: EndpointCounters
  ) {
    this.suite = suite
    this.random = random
    this.makeResetToken = makeResetToken
    this.counters = counters
    this.retries = replyLimit(limits.retriesPerSecond)
    this.retriesToBusy = new RateLimit(limits.retriesPerSecond * BUSY_SHARE, this.retries.burst / 2)
    this.refusals = replyLimit(limits.refusalsPerSecond)
    this.negotiations = replyLimit(limits.versionNegotiationsPerSecond)
    this.resets = replyLimit(limits.statelessResetsPerSecond)
  }

  poll(): Reply | undefined {
    return this.waiting.shift()
  }

  /** Sends the CONNECTION_CLOSE that a connection writes before it is dropped, within the limit of refusals. */
  close(
    { from, socket }: Pick<Arrival, "from" | "socket">,
    nowMicros: number,
    write: () => Uint8Array
  ): void {
    if (!this.refusals.take(nowMicros)) return
    const bytes = write()
    if (bytes.length === 0) return
    this.counters.replies.refusal++
    this.waiting.push({ bytes, to: from, socket })
  }

  /** Charges for a `retry`; false when none may be sent. A flood spends what is for busy sources. */
  mayRetry(isBusy: boolean, nowMicros: number): boolean {
    return (
      (!isBusy || this.mayAnswer(this.retriesToBusy, nowMicros)) && this.mayAnswer(this.retries, nowMicros)
    )
  }

  /** Smaller than the datagram it answers. RFC 9000 §8.1.2, §17.2.5.1 #4; RFC 9001 §4.7 #S1 */
  retry(
    { bytes, header, from, socket }: Arrival,
    version: Version,
    source: Uint8Array,
    tokens: AddressTokens,
    nowMicros: number
  ): void {
    const originalDestination = bytes.slice(header.dcidStart, header.dcidEnd)
    const client = bytes.slice(header.scidStart, header.scidEnd)
    const token = tokens.forRetry(originalDestination, source, from, nowMicros / 1000)
    const packet = writeRetry(version, client, source, token, this.random)
    const tag = retryIntegrityTag(this.suite, version, originalDestination, packet)
    const datagram = new Uint8Array(packet.length + tag.length)
    datagram.set(packet)
    datagram.set(tag, packet.length)
    this.send("retry", { from, socket }, datagram)
  }

  /**
   * Refuses a client, which would otherwise wait for its handshake timeout. A packet damaged in transit is dropped
   * instead, as the client sends it again. RFC 9000 §5.2.2, §8.1.2 #S1
   */
  refuse(arrival: Arrival, version: Version, error: TransportError, nowMicros: number): void {
    if (!this.mayAnswer(this.refusals, nowMicros)) return
    const { bytes, header } = arrival
    const client = bytes.slice(header.scidStart, header.scidEnd)
    const destination = bytes.slice(header.dcidStart, header.dcidEnd)
    const keys = initialKeys(this.suite, version, destination)
    if (isAuthenticInitial(keys, bytes, header))
      this.send("refusal", arrival, writeStatelessClose(keys, version, client, destination, error))
    else this.counters.dropped.unauthentic++
    keys.release()
  }

  negotiateVersion(arrival: Arrival, versions: ReadonlyArray<number>, nowMicros: number): void {
    if (!this.mayAnswer(this.negotiations, nowMicros)) return
    const { bytes, header } = arrival
    // RFC 9000 §5.2.2 #S1 #S2, §17.2.1 #3 #4 #6: the client's IDs swapped; and one answer per datagram
    const source = bytes.slice(header.scidStart, header.scidEnd)
    const destination = bytes.slice(header.dcidStart, header.dcidEnd)
    const offered = [reservedVersion(this.random), ...versions]
    const packet = writeVersionNegotiation(source, destination, offered, this.random)
    this.send("versionNegotiation", arrival, packet)
  }

  /** Answers a packet without a connection. RFC 9000 §10.3, §11 #1 */
  reset(arrival: Arrival, nowMicros: number): void {
    const { bytes, header } = arrival
    if (!this.resets.take(nowMicros)) return
    const token = this.makeResetToken(bytes.slice(header.dcidStart, header.dcidEnd))
    this.send("statelessReset", arrival, buildStatelessReset(bytes.length, token, this.random))
  }

  private mayAnswer(limit: RateLimit, nowMicros: number, reserve = 0): boolean {
    const may = limit.take(nowMicros, reserve)
    if (!may) this.counters.dropped.rateLimited++
    return may
  }

  private send(
    kind: keyof StatelessReplyCounts,
    { from, socket }: Pick<Arrival, "from" | "socket">,
    bytes: Uint8Array
  ): void {
    const { counters } = this
    counters.replies[kind]++
    counters.repliesSent++
    counters.replyBytes += bytes.length
    this.waiting.push({ bytes, to: from, socket })
  }
}

/**
 * Whether a packet without a connection is answered by a stateless reset. Without the QUIC bit it may be another protocol,
 * and half of the packets of a greasing peer have it.
 */
export const isResettable = (header: PacketHeader, datagramBytes: number): boolean =>
  (header.firstByte & 0x40) !== 0 && isAnswerable(datagramBytes)

/** An eighth of a second's replies at once: clients come in crowds. */
const replyLimit = (perSecond: number): RateLimit => new RateLimit(perSecond, Math.ceil(perSecond / 8))
