import type { CryptoSuiteShape } from "../capability/CryptoSuite.ts"
import { PacketKeys } from "../protect/PacketKeys.ts"
import { cipherSuites } from "../protect/CipherSuite.ts"
import { InitialKeys } from "../protect/initialKeys.ts"
import { Level, type Version } from "../wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import type { VersionChoice } from "./VersionChoice.ts"

type Slot = PacketKeys | undefined

/**
 * Every packet-protection key of one connection: which levels can be read and written now, and the key-update
 * machine of 1-RTT. RFC 9001 §4.1.4, §4.9, §6
 *
 * Three generations of 1-RTT read keys are held: the current one, the next (derived ahead, so that a forged phase
 * bit costs the same time as any packet; RFC 9001 §6.3 #1 #2 #S1, §9.5 #1 #S1), and for three PTOs the previous one for packets still in flight.
 */
export class Keyring {
  readonly read: [Slot, Slot, Slot, Slot] = [undefined, undefined, undefined, undefined]
  readonly write: [Slot, Slot, Slot, Slot] = [undefined, undefined, undefined, undefined]
  /** The phase bit we send. */
  keyPhase: 0 | 1 = 0
  /** Completed key updates, by either side. */
  updates = 0
  private earlyReadUntil = Number.POSITIVE_INFINITY
  private nextRead: Slot = undefined
  private previousRead: Slot = undefined
  private previousReadUntil = Number.POSITIVE_INFINITY
  /** The lowest packet number received in the current phase; older ones belong to the previous. */
  private phaseStartReceived = Number.POSITIVE_INFINITY
  /** The highest packet numbers opened under the keys of the current phase, and under those of the ones before. */
  private largestOfCurrent = -1
  private largestOfPrevious = -1
  /** The first packet number sent in the current phase; an update waits for its acknowledgement. §6.1 */
  private phaseStartSent = -1
  /** When the next update may be: Infinity until a packet of this phase is acknowledged. §6.1, §6.5 */
  private updateFrom = Number.POSITIVE_INFINITY
  /** We have acknowledged a packet of the current phase, so the peer may know that we are in it. §6.2 */
  private phaseAnswered = false
  private updateRequested = false
  /** Packets that failed to open, under whichever key. §6.6 */
  private failures = 0
  private readonly suite: CryptoSuiteShape
  private readonly isClient: boolean
  private readonly versions: VersionChoice
  /** Until they are discarded. */
  private initial: InitialKeys | undefined = undefined

  constructor(suite: CryptoSuiteShape, isClient: boolean, versions: VersionChoice) {
    this.suite = suite
    this.isClient = isClient
    this.versions = versions
  }

  /** RFC 9001 §5.2: derived from the DCID of the client's first Initial (again after Retry), unless they have been. */
  installInitial(
    clientDestinationConnectionId: Uint8Array,
    derived = new InitialKeys(this.suite, clientDestinationConnectionId)
  ): void {
    this.initial = derived
    this.switchVersion()
  }

  /** Initial packets are sealed in the negotiated version from here on, and opened in either. RFC 9369 §4.1 */
  switchVersion(): void {
    if (this.initial === undefined) return
    const { client, server } = this.initial.of(this.versions.negotiated)
    this.read[Level.Initial] = this.isClient ? server : client
    this.write[Level.Initial] = this.isClient ? client : server
  }

  /** What opens Initial packets of `version`; undefined once they have been discarded. */
  readInitial(version: Version): PacketKeys | undefined {
    if (this.initial === undefined) return undefined
    const keys = this.initial.of(version)
    return this.isClient ? keys.server : keys.client
  }

  install(level: Level, direction: "read" | "write", cipherSuite: number, secret: Uint8Array): void {
    const cipher = cipherSuites.get(cipherSuite)!
    const keys = PacketKeys.fromSecret(this.suite, cipher, secret, this.versions.ofLevel(level))
    this[direction][level] = keys
    if (level !== Level.OneRtt) return
    if (direction === "read") this.nextRead = keys.next()
    // RFC 9001 §5.6 #5, §4.9.3 #S1, RFC 9000 §7.4.1 #8, §17.2.3 #2: from here on, with new limits, nothing is sent in 0-RTT
    else this.write[Level.ZeroRtt] = undefined
  }

  discard(level: Level): void {
    if (level === Level.Initial) this.initial = undefined
    this.read[level] = undefined
    this.write[level] = undefined
  }

  /** RFC 9001 §4.9.3 #1: 0-RTT packets that come late may still be read for a short time. */
  discardEarly(untilMicros: number): void {
    if (this.read[Level.ZeroRtt] !== undefined) this.earlyReadUntil = untilMicros
  }

  /** Opens a packet of the handshake or of 0-RTT; undefined when it is authentic. */
  open(keys: PacketKeys, packet: IncomingPacket): TransportError | "dropped" | undefined {
    return openWith(keys, packet) ? undefined : this.failed(keys)
  }

  /**
   * Opens a 1-RTT packet under the keys its phase bit names; undefined when it authenticates, `"dropped"` when it
   * does not, an error when the peer breaks the rules of §6.
   */
  openOneRtt(packet: IncomingPacket, nowMicros: number): TransportError | "dropped" | undefined {
    this.expire(nowMicros)
    const { packetNumber, path } = packet
    const phase = (packet.bytes[packet.start] >> 2) & 1
    const current = this.read[Level.OneRtt]!
    if (phase === this.keyPhase) {
      if (!openWith(current, packet)) return this.failed(current)
      // RFC 9001 §6.1 #3: the peer has followed our update; what it sent before is late from now on
      if (this.phaseStartReceived === Number.POSITIVE_INFINITY && this.previousRead !== undefined)
        this.previousReadUntil = nowMicros + 3 * path.recovery.ptoMicros()
      if (packetNumber < this.phaseStartReceived) this.phaseStartReceived = packetNumber
      return this.judgeOrder(packetNumber)
    }
    if (this.previousRead !== undefined && packetNumber < this.phaseStartReceived) {
      const previous = this.previousRead
      if (!openWith(previous, packet)) return this.failed(previous)
      this.largestOfPrevious = Math.max(this.largestOfPrevious, packetNumber)
      return undefined
    }
    // RFC 9001 §5.5 #1 #2: only keys that are newer, and nothing changes unless they fit
    const next = this.nextRead!
    if (!openWith(next, packet)) return this.failed(next)
    // RFC 9001 §6.2: an update before the peer can know that we have followed the last one
    if (this.updates > 0 && !this.phaseAnswered)
      return new TransportError(
        TransportErrorCode.KEY_UPDATE_ERROR,
        "the peer updated keys twice without acknowledgement"
      )
    this.advance(nowMicros + 3 * path.recovery.ptoMicros())
    this.phaseStartReceived = packetNumber
    return this.judgeOrder(packetNumber)
  }

  /** A packet of the current phase: none of the phase before may have had a higher number. RFC 9001 §6.4 #1 #2 */
  private judgeOrder(packetNumber: number): TransportError | undefined {
    if (packetNumber < this.largestOfPrevious)
      return new TransportError(
        TransportErrorCode.KEY_UPDATE_ERROR,
        "the peer has gone back to old keys after an update"
      )
    this.largestOfCurrent = Math.max(this.largestOfCurrent, packetNumber)
    return undefined
  }

  /** Asks for a key update, of which TLS learns nothing (§6 #1): with the next packet sent once §6.1 allows one. */
  requestUpdate(): void {
    this.updateRequested = true
  }

  /**
   * Called before a 1-RTT packet is built: performs a requested or overdue update. False when the keys are worn
   * out and no update is possible: the connection must close (§6.6).
   */
  prepareToSend(confirmed: boolean, nextPacketNumber: number, nowMicros: number): boolean {
    this.expire(nowMicros)
    const write = this.write[Level.OneRtt]!
    const limit = write.cipher.confidentialityLimit
    // RFC 9001 §5.3 #3, §6.6 #3
    const due = this.updateRequested || write.sealed > limit / 2
    // RFC 9001 §6.1 #1 #2: only after confirmation, and after a packet of the current phase was acknowledged, §6.5 #S1: three
    // PTOs ago unless it is the first; nor while keys of the phase before are still kept
    if (due && confirmed && nowMicros >= this.updateFrom && this.previousRead === undefined) {
      this.updateRequested = false
      // until the peer follows, which may take many losses, it goes on with the keys it has
      this.advance(Number.POSITIVE_INFINITY)
      this.phaseStartReceived = Number.POSITIVE_INFINITY
      this.phaseStartSent = nextPacketNumber
      return true
    }
    if (this.phaseStartSent < 0) this.phaseStartSent = nextPacketNumber
    return write.sealed < limit
  }

  /** A 1-RTT packet of ours was acknowledged; if that completes an update, the next waits until `nextFrom`. */
  onAcked(packetNumber: number, nextFrom: number): void {
    if (this.phaseStartSent < 0 || packetNumber < this.phaseStartSent) return
    if (this.updateFrom === Number.POSITIVE_INFINITY) this.updateFrom = this.updates === 0 ? 0 : nextFrom
  }

  /** An ACK of all 1-RTT packets received has been sent. */
  onAckSent(): void {
    if (this.phaseStartReceived !== Number.POSITIVE_INFINITY) this.phaseAnswered = true
  }

  private advance(previousReadUntil: number): void {
    this.previousRead = this.read[Level.OneRtt]
    this.previousReadUntil = previousReadUntil // RFC 9001 §6.1 #S1, §6.5 #S2
    this.read[Level.OneRtt] = this.nextRead
    this.nextRead = this.nextRead!.next()
    // RFC 9001 §6.2 #1 #2: in the same step, so before anything is sent
    this.write[Level.OneRtt] = this.write[Level.OneRtt]!.next()
    this.keyPhase = this.keyPhase === 0 ? 1 : 0
    this.largestOfPrevious = Math.max(this.largestOfPrevious, this.largestOfCurrent)
    this.largestOfCurrent = -1
    this.updateFrom = Number.POSITIVE_INFINITY
    this.phaseAnswered = false
    this.phaseStartSent = -1
    this.updates++
  }

  /** RFC 9001 §6.5 #S3: the keys of the phase before, and those of 0-RTT, are not kept for ever. */
  private expire(nowMicros: number): void {
    if (nowMicros >= this.earlyReadUntil) {
      this.read[Level.ZeroRtt] = undefined
      this.earlyReadUntil = Number.POSITIVE_INFINITY
    }
    if (nowMicros < this.previousReadUntil) return
    this.previousRead = undefined
    this.previousReadUntil = Number.POSITIVE_INFINITY
  }

  /** Counts a packet that did not open under `keys`; the error is for the one too many. RFC 9001 §6.6 #5 #6 */
  private failed(keys: PacketKeys): TransportError | "dropped" {
    return ++this.failures > keys.cipher.integrityLimit
      ? new TransportError(TransportErrorCode.AEAD_LIMIT_REACHED, "too many packets failed authentication")
      : "dropped"
  }
}

const openWith = (keys: PacketKeys, packet: IncomingPacket): boolean =>
  keys.open(
    packet.bytes,
    packet.start,
    packet.packetNumberOffset,
    packet.packetNumberLength,
    packet.end,
    packet.packetNumber,
    packet.path.id
  )
