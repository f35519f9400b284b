import type { FrameOwner } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import {
  type ConnectionIdError,
  connectionIdError,
  MAX_CONNECTION_ID_BYTES,
  RESET_TOKEN_BYTES
} from "./connectionIdErrors.ts"
import { sameBytes } from "../internal/bytes.ts"
import type { ConnectionIdSnapshot } from "./LocalConnectionIds.ts"
import { RetireQueue } from "./RetireQueue.ts"
import { RetiredSequences } from "./RetiredSequences.ts"

/** A connection ID from the peer. Check `state` before sending to it: the peer can request its retirement. */
export interface PeerConnectionId {
  readonly sequence: number
  readonly id: Uint8Array
  /** Delivered with the ID, except for that of the handshake. */
  readonly token: Uint8Array | undefined
  /** `used` IDs belong to one pair of addresses and are not used on another. RFC 9000 §9.5 */
  readonly state: "spare" | "used" | "retired"
}

type Entry = { -readonly [K in keyof PeerConnectionId]: PeerConnectionId[K] }

/** Tokens that the endpoint must start or stop treating as stateless resets. RFC 9000 §10.3.1 #2 */
export interface ResetTokenChanges {
  readonly added: ReadonlyArray<Uint8Array>
  readonly removed: ReadonlyArray<Uint8Array>
}

export interface PeerConnectionIdsOptions {
  readonly pathId: number
  /** The active_connection_id_limit we declared, at least 2. RFC 9000 §18.2 */
  readonly limit: number
  /** The destination ID of the handshake, sequence 0; undefined on a path opened later. */
  readonly first: Uint8Array | undefined
}

/**
 * The connection IDs the peer issues to us for one path. RFC 9000 §5.1.2
 *
 * At most `limit` are stored, and at most `3 * limit` retirements await acknowledgement; of retired IDs only the
 * sequence number ranges are kept.
 */
export class PeerConnectionIds implements FrameOwner {
  /**
   * Grown by copies: `push` would reserve seventeen slots.
   *
   * @internal
   */
  ids: Array<Entry> = []
  private current: Entry
  private largestRetirePriorTo = 0
  private readonly retired = new RetiredSequences()
  private readonly retirements: RetireQueue
  private readonly limit: number
  private tokensAdded: Array<Uint8Array> | undefined = undefined
  private tokensRemoved: Array<Uint8Array> | undefined = undefined

  constructor(options: PeerConnectionIdsOptions) {
    this.retirements = new RetireQueue(options.pathId)
    this.limit = Math.max(2, options.limit)
    if (options.first === undefined) this.current = entry(-1, new Uint8Array(0), undefined, "retired")
    else this.ids = [(this.current = entry(0, options.first, undefined, "used"))]
  }

  /** The destination ID of packets on the path; valid while `usable`. */
  get activeId(): PeerConnectionId {
    return this.current
  }

  /** False after the peer has requested the retirement of every ID: nothing can be sent until it provides another. */
  get usable(): boolean {
    return this.current.state !== "retired"
  }

  /** The next one that the peer will issue, as far as its frames have arrived. */
  get nextSequence(): number {
    return this.retired.nextMissing(this.ids.reduce((next, { sequence }) => Math.max(next, sequence + 1), 0))
  }

  /** From now on frames tell the path that they are about. draft-ietf-quic-multipath §3.2 */
  tellPath(): void {
    this.retirements.tellsPath = true
  }

  /** IDs stored; the peer may provide at most `limit`. */
  get count(): number {
    return this.ids.length
  }

  /** The peer uses a zero-length ID. RFC 9000 §5.1 */
  get isZeroLength(): boolean {
    return this.current.sequence === 0 && this.current.id.length === 0
  }

  /** The handshake changed the ID: to that of a Retry, or of the server's first Initial. RFC 9000 §7.2 */
  replaceFirst(id: Uint8Array): void {
    if (this.ids[0]?.sequence === 0) this.ids[0].id = id
  }

  /** The server's stateless_reset_token parameter, for the ID of the handshake. RFC 9000 §18.2 */
  setFirstToken(token: Uint8Array): void {
    const first = this.ids[0]
    if (first?.sequence !== 0) return
    first.token = token
    if (first.state === "used") (this.tokensAdded ??= []).push(token)
  }

  /** An unused ID for another pair of addresses; undefined when the peer has provided none. */
  next(): PeerConnectionId | undefined {
    // RFC 9000 §5.1.1: a zero-length ID is used on every path
    if (this.isZeroLength) return this.current
    // RFC 9000 §5.1.2 #S3: changes are paced by the peer's acknowledgements, so that retirements cannot pile up
    if (this.isPaced) return undefined
    const spare = this.spare
    if (spare !== undefined) this.use(spare)
    return spare
  }

  /** What keeps `next` from an ID. */
  get nextRefusal(): ConnectionIdError | undefined {
    if (this.isZeroLength) return connectionIdError("NoConnectionIds", 0)
    if (this.isPaced) return connectionIdError("RotationPending", this.current.sequence)
    return this.spare === undefined
      ? connectionIdError("NoSpareConnectionId", this.current.sequence)
      : undefined
  }

  /** What keeps an ID that no route uses from being activated, or retired, by its number. */
  changeRefusal(sequence: number): ConnectionIdError | undefined {
    const held = this.find(sequence)
    if (held === undefined) return this.missing(sequence)
    if (held.state === "used") return connectionIdError("ActiveConnectionId", sequence)
    return this.isPaced ? connectionIdError("RotationPending", sequence) : undefined
  }

  /** The IDs stored, for inspection. */
  snapshots(): ReadonlyArray<ConnectionIdSnapshot> {
    return this.ids
      .map((held) => ({
        sequence: held.sequence,
        id: held.id,
        state: held.state === "spare" ? ("spare" as const) : ("used" as const),
        isActive: held === this.current
      }))
      .sort((a, b) => a.sequence - b.sequence)
  }

  /** Sends to this ID from now on. The previous one stays in use until `retire`. */
  activate(sequence: number): ConnectionIdError | undefined {
    const held = this.find(sequence)
    if (held === undefined) return this.missing(sequence)
    this.use(held)
    this.current = held
    return undefined
  }

  /** Retires an ID. */
  retire(sequence: number): ConnectionIdError | undefined {
    const held = this.find(sequence)
    if (held === undefined) return this.missing(sequence)
    if (held === this.current) return connectionIdError("ActiveConnectionId", sequence)
    if (this.retirements.size >= 3 * this.limit) return connectionIdError("RotationPending", sequence)
    this.retired.add(sequence)
    this.drop(held)
    return undefined
  }

  /** RFC 9000 §19.15. Keeps `id` and `token`. */
  onNew(
    sequence: number,
    retirePriorTo: number,
    id: Uint8Array,
    token: Uint8Array
  ): TransportError | undefined {
    // RFC 9000 §19.15 #3
    if (this.isZeroLength)
      return failure(
        TransportErrorCode.PROTOCOL_VIOLATION,
        "NEW_CONNECTION_ID from a peer that uses no connection IDs"
      )
    if (retirePriorTo > sequence)
      return failure(TransportErrorCode.FRAME_ENCODING_ERROR, "Retire Prior To above the sequence number")
    if (id.length < 1 || id.length > MAX_CONNECTION_ID_BYTES || token.length !== RESET_TOKEN_BYTES)
      return failure(TransportErrorCode.FRAME_ENCODING_ERROR, `a connection ID of ${id.length} bytes`)
    const conflict = this.conflict(sequence, id, token)
    if (conflict !== undefined) return conflict
    // RFC 9000 §19.15 #7: a Retire Prior To that does not increase the largest one has no effect
    if (retirePriorTo > this.largestRetirePriorTo) {
      const error = this.onRetirePriorTo(retirePriorTo)
      if (error !== undefined) return error
    }
    // RFC 9000 §19.15 #4: a retransmission is ignored
    if (this.find(sequence) === undefined && !this.retired.has(sequence)) {
      // RFC 9000 §5.1.1 #4
      if (this.ids.length >= this.limit)
        return failure(
          TransportErrorCode.CONNECTION_ID_LIMIT_ERROR,
          `more than ${this.limit} active connection IDs`
        )
      this.ids = this.ids.concat(entry(sequence, id, token, "spare"))
    }
    if (!this.usable) this.replaceActive()
    return undefined
  }

  /**
   * Whether `bytes[offset, offset + 16)` is the token of an ID in use. RFC 9000 §10.3.1 #2 #3: tokens of unused and
   * retired IDs are not checked, and the time taken does not depend on which one matches.
   */
  isResetToken(bytes: Uint8Array, offset: number, equal: (a: Uint8Array, b: Uint8Array) => boolean): boolean {
    if (offset < 0 || offset + RESET_TOKEN_BYTES > bytes.length) return false
    const candidate = bytes.subarray(offset, offset + RESET_TOKEN_BYTES)
    let found = false
    for (const { state, token } of this.ids)
      if (state === "used" && token !== undefined) found = equal(token, candidate) || found
    return found
  }

  /** The tokens added and removed since the last call; undefined for none. */
  takeTokenChanges(): ResetTokenChanges | undefined {
    return this.tokensAdded === undefined && this.tokensRemoved === undefined
      ? undefined
      : this.tokenChanges()
  }

  /** Not in `takeTokenChanges`, which each datagram calls: a function with closures allocates their context first of all. */
  private tokenChanges(): ResetTokenChanges {
    const { tokensAdded: added = none, tokensRemoved: removed = none } = this
    this.tokensAdded = this.tokensRemoved = undefined
    // a token added and removed in between counts as removed
    return { added: added.filter((token) => !removed.includes(token)), removed }
  }

  /** Drops every ID when the path or connection ends. */
  clear(): void {
    for (const held of this.ids) this.endUse(held)
    this.ids.length = 0
  }

  hasFrames(): boolean {
    return this.retirements.hasFrames()
  }

  writeFrames(w: ByteWriter, sent: SentFrames): void {
    this.retirements.writeFrames(w, sent)
  }

  /** A RETIRE_CONNECTION_ID frame is recorded with its path and sequence number. */
  onAcked(_type: number, _pathId: number, sequence: number): void {
    this.retirements.onAcked(sequence)
  }

  onLost(_type: number, _pathId: number, sequence: number): void {
    this.retirements.onLost(sequence)
  }

  // RFC 9000 §5.1.2 #1: everything below it is retired before the new ID is added. That includes IDs whose frames have
  // not arrived yet, which settles every number below it (§19.15 #8: retired once, not again on arrival).
  private onRetirePriorTo(retirePriorTo: number): TransportError | undefined {
    const { retired, retirements, ids } = this
    const more = retired.missingBelow(retirePriorTo)
    // RFC 9000 §5.1.2 #2 #S4: IDs are never dropped without being retired, so too many are an error
    if (more > 0 && retirements.size + more > 2 * this.limit)
      return failure(TransportErrorCode.CONNECTION_ID_LIMIT_ERROR, "too many connection IDs to retire")
    this.largestRetirePriorTo = retirePriorTo
    while (ids.length > 0 && this.lowest().sequence < retirePriorTo) this.drop(this.lowest())
    for (let at = retired.nextMissing(0); at < retirePriorTo; at = retired.nextMissing(at + 1))
      retirements.add(at)
    retired.addBelow(retirePriorTo)
    return undefined
  }

  /** RFC 9000 §19.15: one ID has one sequence number and one token; §10.3.2: one token has one ID. */
  private conflict(sequence: number, id: Uint8Array, token: Uint8Array): TransportError | undefined {
    for (const held of this.ids) {
      const sameId = sameBytes(held.id, id)
      const sameToken = held.token !== undefined && sameBytes(held.token, token)
      const clash =
        held.sequence === sequence ? !sameId || (held.token !== undefined && !sameToken) : sameId || sameToken
      if (clash)
        return failure(
          TransportErrorCode.PROTOCOL_VIOLATION,
          `connection ID ${sequence} contradicts connection ID ${held.sequence}`
        )
    }
    return undefined
  }

  private replaceActive(): void {
    const { spare } = this
    if (spare === undefined) return
    this.use(spare)
    this.current = spare
  }

  private get spare(): Entry | undefined {
    return this.ids.find((held) => held.state === "spare")
  }

  /** So many retirements await acknowledgement that no ID is changed for another. */
  private get isPaced(): boolean {
    return this.retirements.size >= this.limit
  }

  private use(held: Entry): void {
    if (held.state === "used") return
    held.state = "used"
    if (held.token !== undefined) (this.tokensAdded ??= []).push(held.token)
  }

  private lowest(): Entry {
    let lowest = this.ids[0]
    for (const held of this.ids) if (held.sequence < lowest.sequence) lowest = held
    return lowest
  }

  private find(sequence: number): Entry | undefined {
    return this.ids.find((held) => held.sequence === sequence)
  }

  private missing(sequence: number): ConnectionIdError {
    return connectionIdError(
      this.retired.has(sequence) ? "RetiredConnectionId" : "UnknownConnectionId",
      sequence
    )
  }

  private endUse(held: Entry): void {
    if (held.state === "used" && held.token !== undefined) (this.tokensRemoved ??= []).push(held.token)
    held.state = "retired"
  }

  private drop(held: Entry): void {
    this.endUse(held)
    this.ids.splice(this.ids.indexOf(held), 1)
    this.retirements.add(held.sequence)
  }
}

const none: ReadonlyArray<Uint8Array> = []

const entry = (
  sequence: number,
  id: Uint8Array,
  token: Uint8Array | undefined,
  state: Entry["state"]
): Entry => ({
  sequence,
  id,
  token,
  state
})

const failure = (code: number, reason: string): TransportError =>
  new TransportError(code, reason, FrameType.NEW_CONNECTION_ID)
