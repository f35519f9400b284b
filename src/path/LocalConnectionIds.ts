import type { FrameOwner } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import { NO_PATH_ID, writeNewConnectionId } from "../wire/frameWriters.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import {
  type ConnectionIdError,
  connectionIdError,
  MAX_CONNECTION_ID_BYTES,
  RESET_TOKEN_BYTES
} from "./connectionIdErrors.ts"

/** The largest PATH_NEW_CONNECTION_ID frame: type, three varints, length, ID, token. RFC 9000 §19.15 */
const FRAME_BYTES = 2 + 8 + 8 + 8 + 1 + MAX_CONNECTION_ID_BYTES + RESET_TOKEN_BYTES

/** IDs issued on one path in its lifetime; a peer that uses them all keeps the last ones. RFC 9000 §5.1.1 */
export const LIFETIME_LIMIT = 0x1_0000

export interface LocalConnectionIdsOptions {
  readonly pathId: number
  /** Length of each ID; 0 means zero-length IDs, and none is ever issued. */
  readonly length: number
  readonly makeCid: () => Uint8Array
  /** The stateless reset token of an ID, deterministic. RFC 9000 §10.3.2 */
  readonly makeToken: (cid: Uint8Array) => Uint8Array
  /** The source connection ID of the handshake, sequence 0; undefined on a path opened later. */
  readonly firstCid: Uint8Array | undefined
  /** server: the DCID of the client's Initial, which it uses until it knows `firstCid`. RFC 9000 §7.2 */
  readonly initialDestination?: Uint8Array | undefined
  /** Upper limit of the IDs the peer may have at once, at least 2. */
  readonly limitOurs?: number
  /** Unused IDs the peer is kept supplied with; default: as many as allowed. */
  readonly spares?: number
}

/** In place of a sequence number: the DCID of a client's first flight. RFC 9000 §7.2 */
export const INITIAL_DESTINATION = -1

/** An ID that packets on this path may be addressed to. */
export interface RoutedId {
  readonly id: Uint8Array
  readonly sequence: number
}

/** IDs that the endpoint must start or stop routing to the connection. */
export interface ConnectionIdChanges {
  readonly added: ReadonlyArray<RoutedId>
  readonly removed: ReadonlyArray<Uint8Array>
}

/** An ID and how far it has come. */
export interface ConnectionIdSnapshot {
  readonly sequence: number
  readonly id: Uint8Array
  /** `retiring`: the peer has been asked to retire it. */
  readonly state: "spare" | "used" | "retiring"
  /** The one that packets are sent to. */
  readonly isActive: boolean
}

interface LocalConnectionId {
  readonly sequence: number
  readonly id: Uint8Array
  delivery: "pending" | "sent" | "acknowledged"
  /** The peer has sent a packet to it. */
  used: boolean
}

/**
 * The connection IDs we issue to the peer for one path. RFC 9000 §5.1.1
 *
 * The peer is kept supplied with unused IDs, as far as its limit and ours allow: one that keeps used IDs gets more, and
 * when it has no unused one left, it is asked to retire the oldest. It can retire an ID only after receiving it, so its
 * churn is bounded by the limit per round trip, and by `LIFETIME_LIMIT` in total.
 */
export class LocalConnectionIds implements FrameOwner {
  /** By sequence number, ascending. */
  private ids: Array<LocalConnectionId> = []
  private nextSequence = 0
  private largestSent = -1
  /** How many the peer may have, not counting those it was asked to retire. */
  private most = 1
  private retirePriorTo = 0
  private pending = 0
  /** The one the peer used last. */
  private inUse = 0
  private initialDestination: Uint8Array | undefined
  private initialDestinationUntil = Number.POSITIVE_INFINITY
  private added: Array<RoutedId> = []
  private removed: Array<Uint8Array> = []
  private readonly options: LocalConnectionIdsOptions
  /** Frames tell the path they are about. */
  tellsPath: boolean
  /** @internal */
  readonly limit: number

  constructor(options: LocalConnectionIdsOptions) {
    this.options = options
    this.tellsPath = options.pathId > 0
    this.limit = Math.max(2, options.limitOurs ?? 8)
    if (options.firstCid !== undefined) {
      const first = this.issueOne(options.firstCid)
      this.deliver(first)
      first.used = true
    }
    this.initialDestination = options.initialDestination
    if (options.initialDestination !== undefined)
      this.added.push({ id: options.initialDestination, sequence: INITIAL_DESTINATION })
  }

  /** How many were ever issued. */
  get issued(): number {
    return this.nextSequence
  }

  /** The peer has acknowledged one at least. */
  get isKnown(): boolean {
    return this.ids.some(({ delivery }) => delivery === "acknowledged")
  }

  private get toldPath(): number {
    return this.tellsPath ? this.options.pathId : NO_PATH_ID
  }

  /** IDs the peer can send to: active, or asked to be retired and not retired yet. */
  get count(): number {
    return this.ids.length
  }

  /** The IDs the peer can send to, ascending, for inspection. */
  snapshots(): ReadonlyArray<ConnectionIdSnapshot> {
    return this.ids.map(({ sequence, id, used }) => {
      const state = sequence < this.retirePriorTo ? "retiring" : used ? "used" : "spare"
      return { sequence, id, state, isActive: sequence === this.inUse }
    })
  }

  /**
   * Applies the peer's active_connection_id_limit and issues IDs accordingly. RFC 9000 §18.2, §5.1.1 #S1 #S3, §9.5 #S3
   */
  setPeerLimit(limit: number): void {
    // RFC 9000 §5.1.1 #3: never more than the peer's limit
    this.most = Math.min(limit, this.limit)
    this.replenish()
  }

  /** The ID and token of the preferred_address parameter, sequence 1. RFC 9000 §5.1.1 */
  issuePreferred(): { readonly id: Uint8Array; readonly token: Uint8Array } {
    const issued = this.issueOne(this.options.makeCid())
    this.deliver(issued)
    return { id: issued.id, token: this.options.makeToken(issued.id) }
  }

  /** The client knows our connection ID; the DCID of its Initial is still routed until then, for packets in flight. */
  keepInitialDestinationUntil(micros: number): void {
    if (this.initialDestination !== undefined) this.initialDestinationUntil = micros
  }

  /** When `sweep` is due. */
  get deadlineMicros(): number {
    return this.initialDestinationUntil
  }

  sweep(nowMicros: number): void {
    if (nowMicros >= this.initialDestinationUntil) this.dropInitialDestination()
  }

  /** An authentic packet arrived with this destination ID. */
  onUsed(sequence: number): void {
    if (sequence === this.inUse) return
    this.inUse = sequence
    const issued = this.find(sequence)
    if (issued === undefined || issued.used) return
    issued.used = true
    this.replenish()
  }

  /** We have none to issue. RFC 9000 §5.1 */
  get isZeroLength(): boolean {
    return this.options.length === 0
  }

  /** What keeps `rotate` from issuing `count` new IDs now. */
  rotationRefusal(count: number): ConnectionIdError | undefined {
    const { ids, nextSequence } = this
    const fresh = Math.min(count, this.target)
    // RFC 9000 §19.15 #2: none with zero-length IDs
    if (this.isZeroLength || fresh < 1 || nextSequence + fresh > LIFETIME_LIMIT)
      return connectionIdError("NoConnectionIds", nextSequence)
    // RFC 9000 §5.1.2 #S5: not before the peer has retired everything the last request covered
    if (ids.length > 0 && ids[0].sequence < this.retirePriorTo)
      return connectionIdError("RotationPending", this.retirePriorTo)
    return undefined
  }

  /** Asks the peer to retire its `count` oldest IDs, used or not, and issues as many new ones. */
  rotate(count: number): ConnectionIdError | undefined {
    const refusal = this.rotationRefusal(count)
    if (refusal !== undefined) return refusal
    const fresh = Math.min(count, this.target)
    const surplus = this.ids.length + fresh - this.target
    for (let i = 0; i < fresh; i++) this.issueOne(this.options.makeCid())
    if (surplus > 0) this.retirePriorTo = this.ids[surplus].sequence
    return undefined
  }

  /** RFC 9000 §19.16 #1 #2 #3. `arrivedAt` is the ID of this path, if any, that the packet was sent to. */
  onRetire(sequence: number, arrivedAt = INITIAL_DESTINATION): TransportError | undefined {
    if (this.options.length === 0)
      return violation("RETIRE_CONNECTION_ID, but our connection IDs have no bytes")
    if (sequence > this.largestSent)
      return violation(`connection ID ${sequence} was retired, but never issued`)
    const index = this.indexOf(sequence)
    const retired = this.ids[index]
    if (retired === undefined || retired.sequence !== sequence) return undefined // a retransmission
    if (sequence === arrivedAt)
      return violation(`connection ID ${sequence} was retired in a packet sent to it`)
    this.ids.splice(index, 1)
    if (retired.delivery === "pending") this.pending--
    this.removed.push(retired.id) // RFC 9000 §5.1.2 #S2: only now
    this.replenish() // RFC 9000 §5.1.1 #S2
    return undefined
  }

  hasFrames(): boolean {
    return this.pending > 0
  }

  writeFrames(w: ByteWriter, sent: SentFrames): void {
    const { ids } = this
    for (let i = 0; i < ids.length && this.pending > 0 && w.remaining >= FRAME_BYTES; i++) {
      const issued = ids[i]
      if (issued.delivery !== "pending") continue
      // RFC 9000 §19.15 #5: Retire Prior To never exceeds the sequence number
      const retirePriorTo = Math.min(this.retirePriorTo, issued.sequence)
      const token = this.options.makeToken(issued.id)
      writeNewConnectionId(w, issued.sequence, retirePriorTo, issued.id, token, this.toldPath)
      sent.push(FrameType.NEW_CONNECTION_ID, this.options.pathId, issued.sequence)
      this.pending--
      issued.delivery = "sent"
      if (issued.sequence > this.largestSent) this.largestSent = issued.sequence
    }
  }

  /** A NEW_CONNECTION_ID frame is recorded with its path and sequence number. */
  onAcked(_type: number, _pathId: number, sequence: number): void {
    const issued = this.find(sequence)
    if (issued === undefined) return
    if (issued.delivery === "pending") this.pending-- // declared lost, then acknowledged
    issued.delivery = "acknowledged"
  }

  onLost(_type: number, _pathId: number, sequence: number): void {
    const issued = this.find(sequence)
    if (issued === undefined || issued.delivery !== "sent") return
    issued.delivery = "pending"
    this.pending++
  }

  /** The routing changes since the last call; undefined for none. */
  takeChanges(): ConnectionIdChanges | undefined {
    const { added, removed } = this
    if (added.length === 0 && removed.length === 0) return undefined
    this.added = []
    this.removed = []
    return { added, removed }
  }

  /** Drops every ID when the path or connection ends. */
  clear(): void {
    for (const { id } of this.ids) this.removed.push(id)
    this.dropInitialDestination()
    this.ids.length = 0
    this.pending = 0
    this.most = 0
  }

  private dropInitialDestination(): void {
    if (this.initialDestination !== undefined) this.removed.push(this.initialDestination)
    this.initialDestination = undefined
    this.initialDestinationUntil = Number.POSITIVE_INFINITY
  }

  private replenish(): void {
    if (this.options.length === 0) return
    let active = this.ids.length - this.indexOf(this.retirePriorTo)
    for (const { target } = this; active < target && this.nextSequence < LIFETIME_LIMIT; active++)
      this.issueOne(this.options.makeCid())
    if (active > 1 && this.spareCount === 0) this.requestRetirement()
  }

  /** The peer has used all the IDs it may have: it needs new ones to migrate, so it is asked to retire some. */
  private requestRetirement(): void {
    const { ids, inUse } = this
    const oldest = this.indexOf(this.retirePriorTo)
    let count = 0
    while (oldest + count < ids.length && ids[oldest + count].sequence !== inUse) count++
    this.rotate(Math.max(count, 1))
  }

  /** The number of IDs the peer is to have, not counting those it was asked to retire. */
  private get target(): number {
    const active = this.ids.length - this.indexOf(this.retirePriorTo)
    const wanted = active - this.spareCount + (this.options.spares ?? this.most)
    return Math.min(this.most, wanted)
  }

  /** Unused IDs the peer has. */
  private get spareCount(): number {
    let count = 0
    for (const { used, sequence } of this.ids) if (!used && sequence >= this.retirePriorTo) count++
    return count
  }

  private issueOne(id: Uint8Array): LocalConnectionId {
    const issued: LocalConnectionId = {
      sequence: this.nextSequence++, // RFC 9000 §5.1.1 #1
      id,
      delivery: "pending",
      used: false
    }
    this.pending++
    this.ids = this.ids.concat(issued) // `push` would reserve seventeen slots
    this.added.push(issued)
    return issued
  }

  /** For IDs delivered by the handshake itself, without a frame. */
  private deliver(issued: LocalConnectionId): void {
    issued.delivery = "acknowledged"
    this.pending--
    this.largestSent = issued.sequence
  }

  /** The index of the first ID whose sequence number is not below `sequence`. */
  private indexOf(sequence: number): number {
    const { ids } = this
    let index = 0
    while (index < ids.length && ids[index].sequence < sequence) index++
    return index
  }

  private find(sequence: number): LocalConnectionId | undefined {
    const issued = this.ids[this.indexOf(sequence)]
    return issued !== undefined && issued.sequence === sequence ? issued : undefined
  }
}

const violation = (reason: string): TransportError =>
  new TransportError(TransportErrorCode.PROTOCOL_VIOLATION, reason, FrameType.RETIRE_CONNECTION_ID)
