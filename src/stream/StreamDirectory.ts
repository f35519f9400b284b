import type { Role } from "../wire/Role.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { ReceiveStream } from "./ReceiveStream.ts"
import { StreamEvent, type StreamEvents } from "./RecordQueue.ts"
import { LocalStreamCount, PeerStreamCount } from "./StreamCounts.ts"
import { idAt, indexOf, isServerInitiated, isUnidirectional, kindOf, kindOpenedBy } from "./StreamId.ts"
import type { LocalStreamLimits, StreamLimits } from "./StreamLimits.ts"
import { StreamMark, StreamRecord } from "./StreamRecord.ts"

/**
 * All open streams, by ID. Streams of a kind are opened in order (RFC 9000 §3.2), so a count per kind tells which IDs
 * were ever opened, and closed streams take no memory.
 */
export class StreamDirectory {
  /** A map of its own from the first stream on. */
  records: Map<number, StreamRecord> = none
  readonly localBidi: LocalStreamCount = new LocalStreamCount()
  readonly localUni: LocalStreamCount = new LocalStreamCount()
  readonly peerBidi: PeerStreamCount
  readonly peerUni: PeerStreamCount
  private readonly role: Role
  private readonly local: LocalStreamLimits
  private readonly events: StreamEvents
  private peer: StreamLimits | undefined = undefined

  constructor(role: Role, local: LocalStreamLimits, events: StreamEvents) {
    this.role = role
    this.local = local
    this.events = events
    this.peerBidi = new PeerStreamCount(local.initialMaxStreamsBidi)
    this.peerUni = new PeerStreamCount(local.initialMaxStreamsUni)
  }

  localCount(unidirectional: boolean): LocalStreamCount {
    return unidirectional ? this.localUni : this.localBidi
  }

  peerCount(unidirectional: boolean): PeerStreamCount {
    return unidirectional ? this.peerUni : this.peerBidi
  }

  isLocal(id: number): boolean {
    return isServerInitiated(id) === (this.role === "server")
  }

  wasOpened(id: number): boolean {
    const unidirectional = isUnidirectional(id)
    const count = this.isLocal(id) ? this.localCount(unidirectional) : this.peerCount(unidirectional)
    return indexOf(id) < count.opened
  }

  /** Opens our next stream, whose ID was never used before (RFC 9000 §2.1 #1); the caller has checked the limit. */
  openLocal(unidirectional: boolean): StreamRecord {
    const count = this.localCount(unidirectional)
    return this.create(idAt(kindOpenedBy(this.role, unidirectional), count.opened++))
  }

  /**
   * The stream addressed by a frame for its receiving part; undefined for a closed one, whose late frames are ignored.
   * Opens a peer's stream if allowed.
   */
  receiving(id: number, frameType: number): StreamRecord | TransportError | undefined {
    const record = this.records.get(id)
    if (record !== undefined && record.receive !== undefined) return record
    // RFC 9000 §19.4, §19.8 #1, §19.13: for a send-only stream, STREAM_STATE_ERROR
    if (isUnidirectional(id) && this.isLocal(id)) return stateError(`stream ${id} is send-only`, frameType)
    return this.find(id, frameType)
  }

  /** The stream addressed by a frame for its sending part; undefined for a closed one. Opens a peer's stream if allowed. */
  sending(id: number, frameType: number): StreamRecord | TransportError | undefined {
    // RFC 9000 §19.5 #2, §19.10 #2: for a receive-only stream, STREAM_STATE_ERROR
    if (isUnidirectional(id) && !this.isLocal(id))
      return stateError(`stream ${id} is receive-only`, frameType)
    return this.records.get(id) ?? this.find(id, frameType)
  }

  private find(id: number, frameType: number): StreamRecord | TransportError | undefined {
    const unidirectional = isUnidirectional(id)
    const index = indexOf(id)
    if (this.isLocal(id))
      // RFC 9000 §19.5 #1, §19.8 #1, §19.10 #1: a locally initiated stream that has not been created is a STREAM_STATE_ERROR
      return this.wasOpened(id) ? undefined : stateError(`stream ${id} was never opened`, frameType)
    const count = this.peerCount(unidirectional)
    // RFC 9000 §4.6 #3, §19.11 #4: a stream ID beyond the limit we sent is a STREAM_LIMIT_ERROR
    if (index >= count.granted)
      return new TransportError(
        TransportErrorCode.STREAM_LIMIT_ERROR,
        `stream ${id} is number ${index + 1} of its kind; the limit is ${count.granted}`,
        frameType
      )
    if (index < count.opened) return undefined
    return this.openPeer(id, index, count)
  }

  // RFC 9000 §3.2 #1: all streams of the same type with lower-numbered IDs MUST be created first
  private openPeer(id: number, index: number, count: PeerStreamCount): StreamRecord {
    const kind = kindOf(id)
    let record: StreamRecord | undefined
    while (count.opened <= index) {
      record = this.create(idAt(kind, count.opened++))
      this.events.push(StreamEvent.opened, record)
    }
    return record!
  }

  private create(id: number): StreamRecord {
    const { local } = this
    const unidirectional = isUnidirectional(id)
    const ours = this.isLocal(id)
    const sendLimit = unidirectional && !ours ? -1 : this.sendLimit(id)
    const window = unidirectional
      ? local.initialMaxStreamDataUni
      : ours
        ? local.initialMaxStreamDataBidiLocal
        : local.initialMaxStreamDataBidiRemote
    const receive = unidirectional && ours ? undefined : new ReceiveStream(window, local.maxStreamWindowBytes)
    const record = new StreamRecord(id, sendLimit, receive)
    if (this.records === none) this.records = new Map()
    this.records.set(id, record)
    return record
  }

  /** The initial send limit of `id` in the peer's transport parameters. RFC 9000 §18.2 */
  private sendLimit(id: number): number {
    const { peer } = this
    if (peer === undefined) return 0
    if (isUnidirectional(id)) return peer.initialMaxStreamDataUni
    return this.isLocal(id) ? peer.initialMaxStreamDataBidiRemote : peer.initialMaxStreamDataBidiLocal
  }

  /** Applies the peer's transport parameters to existing and future streams. RFC 9000 §7.4.1 */
  applyPeerLimits(peer: StreamLimits): void {
    this.peer = peer
    this.localBidi.raise(peer.initialMaxStreamsBidi)
    this.localUni.raise(peer.initialMaxStreamsUni)
    for (const { id, send } of this.records.values()) send?.credit.raise(this.sendLimit(id))
  }

  /** Whether it was opened under remembered limits that the peer no longer grants. */
  isOverLimit(id: number): boolean {
    return this.isLocal(id) && indexOf(id) >= this.localCount(isUnidirectional(id)).limit
  }

  /** Drops remembered limits, after 0-RTT was rejected. */
  forgetPeerLimits(): void {
    this.peer = undefined
    for (const count of [this.localBidi, this.localUni]) {
      count.limit = 0
      count.blockedAt = -1
    }
  }

  /** Both parts of `record` have ended; the peer may open another in its place. */
  close(record: StreamRecord): void {
    record.mark(StreamMark.closed, true)
    if (!this.isLocal(record.id)) {
      const count = this.peerCount(isUnidirectional(record.id))
      count.closed++
      if (record.is(StreamMark.lingering)) count.lingering--
    }
    this.events.push(StreamEvent.closed, record)
  }

  /** Marks a stream of the peer as one that only waits for acknowledgments; true if it was none and is now. */
  linger(record: StreamRecord): boolean {
    const { id, begunSend, receive } = record
    if (record.is(StreamMark.lingering) || this.isLocal(id)) return false
    if (begunSend?.isSent !== true || receive?.isTerminal !== true) return false
    record.mark(StreamMark.lingering, true)
    this.peerCount(isUnidirectional(id)).lingering++
    return true
  }

  forget(record: StreamRecord): void {
    record.queued = 0
    this.records.delete(record.id)
  }
}

/** Nothing is ever put into it. */
const none: Map<number, StreamRecord> = new Map()

const stateError = (reason: string, frameType: number): TransportError =>
  new TransportError(TransportErrorCode.STREAM_STATE_ERROR, reason, frameType)
