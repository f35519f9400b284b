import { sameRange } from "../internal/bytes.ts"
import { AEAD_TAG_BYTES } from "../protect/CipherSuite.ts"
import { retryIntegrityTag } from "../protect/retryIntegrity.ts"
import { Space } from "../wire/PacketType.ts"
import { parseRetry, parseVersionNegotiation } from "../wire/versionPackets.ts"
import { type ConnectionParts, isUsableToken, newHandshake } from "./ConnectionParts.ts"
import type { HandshakeProgress } from "./HandshakeProgress.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import { silentClose } from "./lifecycle.ts"
import { settleLost } from "./settleLost.ts"

/** Retry and Version Negotiation are accepted once, and only as the first answer. */
export const LATE = "in answer to no first flight"

/**
 * Handles answers to a client's first flight that are not a handshake: Retry, after which it is resent with a token,
 * and Version Negotiation, after which it restarts in another version. RFC 9000 §6.2, §17.2.5
 *
 * The handlers return why the packet was discarded, or undefined.
 */
export class FirstFlight {
  /** The versions offered by a server that supports none of ours. */
  offeredVersions: ReadonlyArray<number> = []
  private readonly parts: ConnectionParts
  private readonly progress: HandshakeProgress

  constructor(parts: ConnectionParts, progress: HandshakeProgress) {
    this.parts = parts
    this.progress = progress
  }

  onRetry({ bytes, start, header }: IncomingPacket, nowMicros: number): string | undefined {
    const { parts } = this
    const { ids } = parts.handshake
    // RFC 9000 §17.2.5.2 #1 #2: at most one, and only before any other packet from the server
    if (!this.isUnanswered) return LATE
    const retry = parseRetry(bytes, header)
    if (retry === undefined || !isUsableToken(retry.token)) return "of type Retry without a usable token"
    // RFC 9000 §17.2.5.1 #2: a Retry that keeps the same destination ID is discarded
    if (sameRange(ids.originalDestination, bytes, header.scidStart, header.scidEnd))
      return "of type Retry that does not change the Connection ID"
    if (!this.isAuthenticRetry(bytes, start, header.end)) return "of type Retry with a wrong integrity tag"
    parts.token = retry.token // RFC 9000 §8.1.2 #1, §8.1.3 #6: for all Initials of this connection only
    ids.retrySource = bytes.slice(header.scidStart, header.scidEnd)
    // RFC 9000 §17.2.5.1 #3; §17.2.5.2 #5: our source ID stays the same
    const path = parts.paths.active
    path.peerIds.replaceFirst(ids.retrySource)
    parts.keys.installInitial(ids.retrySource)
    // RFC 9000 §17.2.5.3 #1 #2, §17.2.3 #1 #S1: the same bytes, 0-RTT too, are resent under new packet numbers
    for (const space of [Space.Initial, Space.Application])
      settleLost(parts, path, path.recovery.abandonPackets(space, nowMicros), nowMicros)
    return undefined
  }

  onVersionNegotiation({ bytes, header }: IncomingPacket, nowMicros: number): string | undefined {
    const { handshake, versions, closer } = this.parts
    // RFC 9000 §6.2 #2 #3: ignored after any other packet, and when it lists the version in use
    if (!this.isUnanswered || versions.restarted) return LATE
    if (!sameRange(handshake.ids.originalDestination, bytes, header.scidStart, header.scidEnd))
      return "of type Version Negotiation that does not echo our Connection IDs"
    const offered = parseVersionNegotiation(bytes, header)
    if (offered === undefined || offered.includes(versions.original))
      return "of type Version Negotiation that is malformed or lists the version in use"
    if (versions.restart(offered) !== undefined) this.startOver(nowMicros)
    else {
      this.offeredVersions = offered // RFC 9000 §6.2 #1
      closer.discard(silentClose("versionNegotiation"))
    }
    return undefined
  }

  private get isUnanswered(): boolean {
    return !this.progress.heardFromServer && this.parts.handshake.ids.retrySource === undefined
  }

  // RFC 9000 §17.2.5.2 #3
  private isAuthenticRetry(bytes: Uint8Array, start: number, end: number): boolean {
    const { config, versions, handshake } = this.parts
    const { originalDestination } = handshake.ids
    const retry = bytes.subarray(start, end - AEAD_TAG_BYTES)
    const tag = retryIntegrityTag(config.suite, versions.original, originalDestination, retry)
    return config.suite.equal(tag, bytes.subarray(end - AEAD_TAG_BYTES, end))
  }

  /** Restarts the handshake in another version, keeping only our connection ID. RFC 9368 §2.1 */
  private startOver(nowMicros: number): void {
    const { parts, progress } = this
    const path = parts.paths.active
    const destination = parts.config.random(8)
    path.recovery.abandonPackets(Space.Initial, nowMicros)
    path.peerIds.replaceFirst(destination)
    parts.token = undefined // RFC 9369 §5: it belongs to the other version
    if (progress.peerParameters.areRemembered) progress.onEarlyDataRejected(nowMicros)
    parts.crypto.restart()
    const { facts } = parts.handshake
    parts.handshake = newHandshake(parts, {
      originalDestination: destination,
      peerInitialSource: destination,
      retrySource: undefined
    })
    if (facts !== undefined) parts.handshake.facts = { ...facts, earlyData: "rejected" }
    parts.keys.installInitial(destination)
    progress.start(nowMicros)
  }
}
