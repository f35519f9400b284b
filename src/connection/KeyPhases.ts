import type { PacketKeys } from "../protect/PacketKeys.ts"
import { Level } from "../wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import type { Ping } from "./LooseFrames.ts"
import type { MigrationTrace } from "./MigrationTrace.ts"
import type { PhaseMarks } from "./PhaseMarks.ts"

/** The keys of one direction, by level. */
export type KeySlots = [
  PacketKeys | undefined,
  PacketKeys | undefined,
  PacketKeys | undefined,
  PacketKeys | undefined
]

/**
 * `settled`: the peer uses the keys too. `requested`: an update waits until it is allowed. `committing`: the keys are
 * new, and the peer has not yet acknowledged a packet sealed with them.
 *
 * @category models
 * @since 0.1.0
 */
export type KeyPhaseState = "settled" | "requested" | "committing"

/** What key phases need of their connection. */
export interface KeyedConnection {
  /** The largest PTO of all paths. draft-ietf-quic-multipath §2.5 */
  readonly paths: { readonly ptoMicros: number }
  readonly frames: { readonly ping: Pick<Ping, "request"> }
  readonly migrationTrace: Pick<MigrationTrace, "keyUpdate">
}

/**
 * Key updates of 1-RTT. RFC 9001 §6
 *
 * Three generations of read keys are kept: the current one in its slot, the next (derived in advance, so that a forged
 * phase bit costs the same time as any packet; RFC 9001 §6.3 #1 #2 #S1, §9.5 #1 #S1), and the previous one for three
 * PTOs, for packets still in flight. All paths share them; `PhaseMarks` holds the state of each path.
 */
export class KeyPhases {
  /** Completed key updates by either side: the number of the current phase. */
  updates = 0
  private readonly read: KeySlots
  private readonly write: KeySlots
  private readonly connection: KeyedConnection
  private nextRead: PacketKeys | undefined = undefined
  private previousRead: PacketKeys | undefined = undefined
  private previousReadUntil = Number.POSITIVE_INFINITY
  /** When the next update is allowed: Infinity until a packet of this phase is acknowledged. §6.1, §6.5 */
  private updateFrom = Number.POSITIVE_INFINITY
  /** We have acknowledged a packet of the current phase, so the peer may know that we have updated. §6.2 */
  private isAnswered = false
  private isRequested = false
  /** This side began the current phase. */
  private isOurs = false
  /** An acknowledgement in this phase was asked for; the PTO repeats that. */
  private hasAsked = false

  constructor(read: KeySlots, write: KeySlots, connection: KeyedConnection) {
    this.read = read
    this.write = write
    this.connection = connection
  }

  /** The Key Phase bit we send. */
  get bit(): number {
    return this.updates & 1
  }

  /** The first read keys are installed. */
  begin(): void {
    this.nextRead = this.read[Level.OneRtt]!.next()
  }

  /**
   * Requests a key update, which does not involve TLS (RFC 9001 §6 #1): done by the next packet for which §6.1 allows
   * it. One that is pending already is joined: its keys are as new as those of another.
   */
  request(): void {
    if (this.state === "settled") this.isRequested = true
  }

  get state(): KeyPhaseState {
    if (this.isRequested) return "requested"
    return this.isOurs && this.updateFrom === Number.POSITIVE_INFINITY ? "committing" : "settled"
  }

  /**
   * Opens a packet with the keys for its phase bit; undefined when it is authentic, `"dropped"` when it is not, an
   * error when the peer violates §6.
   */
  open(packet: IncomingPacket, nowMicros: number): TransportError | "dropped" | undefined {
    this.expire(nowMicros)
    const { packetNumber } = packet
    const marks = packet.path.phaseMarks.of(this.updates)
    const bit = (packet.bytes[packet.start] >> 2) & 1
    if (bit === this.bit) {
      if (!openWith(this.read[Level.OneRtt]!, packet)) return "dropped"
      // RFC 9001 §6.1 #3: the peer has followed our update; packets it sent before are late from now on
      if (this.previousRead !== undefined && this.previousReadUntil === Number.POSITIVE_INFINITY)
        this.previousReadUntil = nowMicros + 3 * this.connection.paths.ptoMicros
      return accept(packetNumber, marks)
    }
    if (this.previousRead !== undefined && packetNumber < marks.lowestReceived) {
      if (!openWith(this.previousRead, packet)) return "dropped"
      marks.largestOfPrevious = Math.max(marks.largestOfPrevious, packetNumber)
      return undefined
    }
    // RFC 9001 §5.5 #1 #2: only newer keys are tried, and nothing changes unless the packet is authentic
    if (!openWith(this.nextRead!, packet)) return "dropped"
    // RFC 9001 §6.2: the peer updated before it could know that we had followed its last update
    if (this.updates > 0 && !this.isAnswered)
      return updateError("the peer updated keys twice without acknowledgement")
    this.advance(nowMicros + 3 * this.connection.paths.ptoMicros, false)
    this.connection.migrationTrace.keyUpdate("Followed", nowMicros)
    return accept(packetNumber, marks.of(this.updates))
  }

  /**
   * Called before a packet is built: performs an update that is due. False when the keys are exhausted and cannot be
   * updated: the connection must close (§6.6).
   */
  prepareToSend(marks: PhaseMarks, packetNumber: number, confirmed: boolean, nowMicros: number): boolean {
    this.expire(nowMicros)
    const { sealed, cipher } = this.write[Level.OneRtt]!
    // RFC 9001 §5.3 #3, §6.6 #3
    const isDue = this.isRequested || sealed > cipher.confidentialityLimit / 2
    // RFC 9001 §6.1 #1 #2: only after confirmation, and once a packet of the current phase was acknowledged, §6.5 #S1:
    // three PTOs ago unless it is the first; and not while the previous read keys are kept
    if (isDue && confirmed && nowMicros >= this.updateFrom && this.previousRead === undefined) {
      this.isRequested = false
      // until the peer follows, which may take many losses, it keeps using its current keys
      this.advance(Number.POSITIVE_INFINITY, true)
      marks.of(this.updates).firstSent = packetNumber
      this.connection.migrationTrace.keyUpdate("Initiated", nowMicros)
      this.askForAck()
      return true
    }
    if (isDue && confirmed && this.updateFrom === Number.POSITIVE_INFINITY) this.askForAck()
    if (marks.of(this.updates).firstSent < 0) marks.firstSent = packetNumber
    return sealed < cipher.confidentialityLimit
  }

  /** One who only sends ACKs gets none, and could not update keys before their limit. */
  private askForAck(): void {
    if (this.hasAsked) return
    this.hasAsked = true
    this.connection.frames.ping.request()
  }

  /** A packet of ours was acknowledged; if that completes an update, the next has to wait three PTOs. */
  onAcked(marks: PhaseMarks, packetNumber: number, nowMicros: number): void {
    if (this.updateFrom !== Number.POSITIVE_INFINITY) return
    const { firstSent } = marks.of(this.updates)
    if (firstSent < 0 || packetNumber < firstSent) return
    this.updateFrom = this.updates === 0 ? 0 : nowMicros + 3 * this.connection.paths.ptoMicros
  }

  /** An ACK of all packets received on a path has been sent. */
  onAckSent(marks: PhaseMarks): void {
    if (marks.of(this.updates).lowestReceived !== Number.POSITIVE_INFINITY) this.isAnswered = true
  }

  /** The connection is over: drops the keys of other phases than the current. */
  release(): void {
    this.previousRead?.retire()
    this.nextRead?.retire()
    this.previousRead = undefined
    this.nextRead = undefined
  }

  private advance(previousReadUntil: number, isOurs: boolean): void {
    const { read, write } = this
    this.isOurs = isOurs
    this.hasAsked = false
    this.previousRead?.retire()
    this.previousRead = read[Level.OneRtt]
    this.previousReadUntil = previousReadUntil // RFC 9001 §6.1 #S1, §6.5 #S2
    read[Level.OneRtt] = this.nextRead
    this.nextRead = this.nextRead!.next()
    // RFC 9001 §6.2 #1 #2: in the same step, so before anything is sent
    const written = write[Level.OneRtt]!
    write[Level.OneRtt] = written.next()
    written.retire()
    this.updateFrom = Number.POSITIVE_INFINITY
    this.isAnswered = false
    this.updates++
  }

  /** RFC 9001 §6.5 #S3: drops the previous read keys when their time is up. */
  private expire(nowMicros: number): void {
    if (nowMicros < this.previousReadUntil) return
    this.previousRead?.retire()
    this.previousRead = undefined
    this.previousReadUntil = Number.POSITIVE_INFINITY
  }
}

/** Accepts a packet of the current phase unless an earlier phase had a higher number. RFC 9001 §6.4 #1 #2 */
const accept = (packetNumber: number, marks: PhaseMarks): TransportError | undefined => {
  if (packetNumber < marks.lowestReceived) marks.lowestReceived = packetNumber
  if (packetNumber < marks.largestOfPrevious)
    return updateError("the peer has gone back to old keys after an update")
  if (packetNumber > marks.largestOfCurrent) marks.largestOfCurrent = packetNumber
  return undefined
}

const updateError = (reason: string): TransportError =>
  new TransportError(TransportErrorCode.KEY_UPDATE_ERROR, reason)

/** Opens `packet` in place; false when it is not authentic under these keys. */
export const openWith = (keys: PacketKeys, packet: IncomingPacket): boolean =>
  keys.open(
    packet.bytes,
    packet.start,
    packet.packetNumberOffset,
    packet.packetNumberLength,
    packet.end,
    packet.packetNumber,
    packet.path.id
  )
