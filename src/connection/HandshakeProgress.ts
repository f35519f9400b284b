import { otherRole } from "../wire/Role.ts"
import { withoutIntroductions } from "../wire/TransportParameters.ts"
import { keepBytes } from "../internal/keepBytes.ts"
import type { PeerVerdict } from "../handshake/TlsSession.ts"
import { addressScope } from "../wire/addressScope.ts"
import { onLinkOf } from "../wire/destination.ts"
import { Level, Space, type Version } from "../wire/PacketType.ts"
import type { TransportError } from "../wire/TransportError.ts"
import { sameRange } from "../internal/bytes.ts"
import { type ConnectionParts, discardLevel } from "./ConnectionParts.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import { offerToken } from "./offerToken.ts"
import { PeerParameters } from "./PeerParameters.ts"
import { repeatInFlight } from "./repeatInFlight.ts"
import { settleLost } from "./settleLost.ts"

/** At most this many early retransmissions: what seems lost may only be late. RFC 9002 §6.2.3 */
const MAX_EARLY_RETRANSMITS = 3

/** How long after the handshake a late copy of a client's first flight still finds its connection. */
const FIRST_FLIGHT_MICROS = 3_000_000

/** Applies each step of the handshake to the rest of the connection, up to its confirmation. RFC 9001 §4 */
export class HandshakeProgress {
  readonly peerParameters: PeerParameters
  /** client: an authentic packet from the server was received. */
  heardFromServer = false
  private readonly parts: ConnectionParts
  private earlyRetransmits = 0

  constructor(parts: ConnectionParts) {
    this.parts = parts
    this.peerParameters = new PeerParameters(parts)
  }

  /** Sends the first flight of a new handshake. */
  start(nowMicros: number): void {
    this.fail(this.parts.handshake.start(), nowMicros)
  }

  /** CRYPTO bytes have arrived at `level`. */
  advance(level: Level, nowMicros: number): TransportError | undefined {
    const { parts } = this
    const error = parts.handshake.advance(level) ?? this.afterStep(nowMicros)
    // RFC 9369 §4.1: a server sends CRYPTO frames in the negotiated version only. Some have not chosen it at the time
    // of a HelloRetryRequest (ngtcp2, picoquic).
    if (parts.config.role === "client" && parts.keys.write[Level.Handshake] !== undefined)
      parts.versions.settled = true
    return error
  }

  handleVerdict(verdict: PeerVerdict, nowMicros: number): void {
    this.fail(this.parts.handshake.handleVerdict(verdict) ?? this.afterStep(nowMicros), nowMicros)
  }

  /** Whether keys of `level` may still be installed. */
  expectsKeys(level: Level): boolean {
    const { handshake, config, keys, lifecycle } = this.parts
    if (level === Level.Handshake) return !handshake.confirmed
    // RFC 9001 §5.7: 0-RTT packets may overtake the ClientHello, which decides whether they are accepted
    if (level === Level.ZeroRtt)
      return config.role === "server" && !handshake.complete && keys.write[Level.Handshake] === undefined
    return level === Level.OneRtt && lifecycle.state === "handshaking"
  }

  /** An authentic packet is about to be processed; false when it must still be discarded. */
  onAuthenticated(packet: IncomingPacket, nowMicros: number): boolean {
    const { parts } = this
    const { bytes, header, level, path } = packet
    if (level === Level.OneRtt) {
      parts.multipath.onAuthentic(path, packet.route, nowMicros)
      path.localIds.onUsed(packet.sequence)
      packet.route.localSequence = packet.sequence
      return true
    }
    const { ids } = parts.handshake
    if (parts.config.role === "client" && !this.heardFromServer) {
      // RFC 9000 §7.2 #2 #4: from its first Initial on, the client sends to the ID the server chose
      this.heardFromServer = true
      ids.peerInitialSource = keepBytes(bytes, header.scidStart, header.scidEnd)
      path.peerIds.replaceFirst(ids.peerInitialSource)
    }
    // RFC 9000 §7.2 #3 #6: a changed Source Connection ID is discarded
    if (!sameRange(ids.peerInitialSource, bytes, header.scidStart, header.scidEnd)) return false
    if (level === Level.Initial && parts.versions.learn(header.version as Version)) parts.keys.switchVersion()
    if (parts.config.role === "server" && level === Level.Handshake) {
      path.amplification.validate() // RFC 9000 §8.1
      discardLevel(parts, Level.Initial, nowMicros) // RFC 9001 §4.9.1 #1 #2
    }
    return true
  }

  /** The peer seems to lack CRYPTO data: retransmits it before the PTO. RFC 9002 §6.2.3 */
  retransmitEarly(): void {
    const { handshake, frames, paths, config, keys } = this.parts
    if (handshake.confirmed || this.earlyRetransmits === MAX_EARLY_RETRANSMITS) return
    this.earlyRetransmits++
    repeatInFlight(frames, paths.active)
    // any packet from the client lets the server continue: with more data, or with a higher anti-amplification limit
    if (config.role === "client" && keys.write[Level.Initial] !== undefined)
      paths.active.probes[Space.Initial] = 1
  }

  /** RFC 9001 §4.1.2 */
  confirm(nowMicros: number): void {
    const { parts } = this
    const { handshake, paths } = parts
    if (handshake.confirmed) return
    handshake.confirmed = true
    // frees a ticket, our parameters, and a client's settings, which no connection needs any longer
    parts.localParameters = undefined
    parts.config.resume = undefined
    parts.config.tls = undefined
    discardLevel(parts, Level.Handshake, nowMicros) // RFC 9001 §4.9.2 #1; a close is 1-RTT then, RFC 9000 §10.2.3 #1
    paths.active.onHandshakeConfirmed()
    parts.events.push({ _tag: "confirmed" })
    this.moveToPreferred(paths.active, nowMicros)
    if (handshake.peerParameters !== undefined)
      handshake.peerParameters = withoutIntroductions(handshake.peerParameters, otherRole(parts.config.role))
  }

  private moveToPreferred(path: ConnectionPath, nowMicros: number): void {
    const preferred = this.parts.handshake.peerParameters?.preferredAddress
    const offered = path.remote.family === 4 ? preferred?.ipv4 : preferred?.ipv6 // RFC 9000 §9.6.3 #S3
    const remote = offered && onLinkOf(offered, path.remote)
    // RFC 9000 §21.5.3, §21.5.6 #S1 #S2: a public server must not redirect us into our own network
    if (remote !== undefined && addressScope(remote) >= addressScope(path.remote))
      path.migration.prefer(remote, nowMicros)
  }

  /** RFC 9001 §4.6.2 #2: the server read none of it; stream data is resent in 1-RTT. */
  onEarlyDataRejected(nowMicros: number): void {
    const { parts } = this
    const path = parts.paths.active
    parts.keys.discard(Level.ZeroRtt) // RFC 9001 §5.6 #S1
    path.recovery.expectNoAcks(Space.Application)
    // RFC 9002 §6.4: it no longer counts as in flight
    settleLost(parts, path, path.recovery.abandonPackets(Space.Application, nowMicros), nowMicros)
    this.peerParameters.forget()
  }

  private afterStep(nowMicros: number): TransportError | undefined {
    const { parts, peerParameters } = this
    const { handshake, keys, config, paths, lifecycle } = parts
    if (keys.write[Level.Handshake] !== undefined) paths.active.recovery.onHandshakeKeys()
    const early = keys.write[Level.ZeroRtt] === undefined ? undefined : config.resume?.ticket
    if (early !== undefined && !peerParameters.areRemembered)
      peerParameters.remember(early.transportParameters)
    if (peerParameters.areRemembered && handshake.earlyDataRejected) this.onEarlyDataRejected(nowMicros)
    // a client may trust the server's parameters only once the Finished that covers them has verified
    if (handshake.peerParameters !== undefined && (config.role === "server" || handshake.complete)) {
      parts.greasesBit = handshake.peerParameters.greaseQuicBit
      const error = peerParameters.apply(handshake.peerParameters)
      if (error !== undefined) return error
    }
    return handshake.complete && lifecycle.state === "handshaking" ? this.onComplete(nowMicros) : undefined
  }

  private onComplete(nowMicros: number): TransportError | undefined {
    const { parts } = this
    const { localIds, recovery } = parts.paths.active
    parts.lifecycle.to("established")
    // not earlier: spare IDs are for clients that stay, and take up entries in the endpoint's table
    const peer = parts.handshake.peerParameters!
    localIds.setPeerLimit(peer.activeConnectionIdLimit)
    const error = parts.multipath.start(peer, nowMicros)
    if (error !== undefined) return error
    parts.traversal.start(peer)
    if (parts.config.role === "client") return undefined
    parts.frames.handshakeDone.send() // RFC 9000 §19.20 #1, RFC 9001 §4.1.2
    offerToken(parts, nowMicros)
    parts.keys.discardEarly(nowMicros + 3 * recovery.ptoMicros()) // RFC 9001 §4.9.3 #S2
    localIds.keepInitialDestinationUntil(nowMicros + FIRST_FLIGHT_MICROS)
    this.confirm(nowMicros) // RFC 9001 §4.1.2
    return undefined
  }

  private fail(error: TransportError | undefined, nowMicros: number): void {
    if (error !== undefined) this.parts.closer.closeWithError(error, nowMicros)
  }
}
