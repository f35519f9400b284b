import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { ReceiveStream } from "./ReceiveStream.ts"
import type { StreamNews } from "./RecordQueue.ts"
import { SendStream } from "./SendStream.ts"
import { LocalStreamCount, PeerStreamCount } from "./StreamCounts.ts"
import { idAt, indexOf, isServerInitiated, isUnidirectional, kindOf, kindOpenedBy } from "./StreamId.ts"
import type { LocalStreamLimits, Role, StreamLimits } from "./StreamLimits.ts"
import { StreamRecord } from "./StreamRecord.ts"

/**
 * Which streams there are. Streams of a kind open in order (RFC 9000 §3.2), so a count tells which ids were ever
 * opened and a map holds those that still are: a closed stream leaves nothing behind.
 */
export class StreamDirectory {
  readonly records = new Map<number, StreamRecord>()
  readonly localBidi: LocalStreamCount = new LocalStreamCount()
  readonly localUni: LocalStreamCount = new LocalStreamCount()
  readonly peerBidi: PeerStreamCount
  readonly peerUni: PeerStreamCount
  private readonly role: Role
  private readonly local: LocalStreamLimits
  private readonly news: StreamNews
  private peer: StreamLimits | undefined = undefined

  constructor(role: Role, local: LocalStreamLimits, news: StreamNews) {
    this.role = role
    this.local = local
    this.news = news
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

  /** The next stream of ours, never used before (RFC 9000 §2.1 #1); the caller has seen that the limit allows it. */
  openLocal(unidirectional: boolean): StreamRecord {
    const count = this.localCount(unidirectional)
    return this.create(idAt(kindOpenedBy(this.role, unidirectional), count.opened++))
  }

  /**
   * The stream whose receiving part a frame is about; undefined for a closed one, whose late frames mean nothing.
   * Opens it if the peer may.
   */
  receiving(id: number, frameType: number): StreamRecord | TransportError | undefined {
    const record = this.records.get(id)
    if (record !== undefined && record.receive !== undefined) return record
    // RFC 9000 §19.4, §19.8 #1, §19.13: for a send-only stream, STREAM_STATE_ERROR
    if (isUnidirectional(id) && this.isLocal(id))
      return stateError(`stream ${id} is only for sending`, frameType)
    return this.find(id, frameType)
  }

  /** The stream whose sending part a frame is about; undefined for a closed one. Opens it if the peer may. */
  sending(id: number, frameType: number): StreamRecord | TransportError | undefined {
    // RFC 9000 §19.5 #2, §19.10 #2: for a receive-only stream, STREAM_STATE_ERROR
    if (isUnidirectional(id) && !this.isLocal(id))
      return stateError(`stream ${id} is only for receiving`, frameType)
    return this.records.get(id) ?? this.find(id, frameType)
  }

  private find(id: number, frameType: number): StreamRecord | TransportError | undefined {
    const unidirectional = isUnidirectional(id)
    const index = indexOf(id)
    if (this.isLocal(id))
      // RFC 9000 §19.5 #1, §19.8 #1, §19.10 #1: a locally initiated stream that has not been created is a STREAM_STATE_ERROR
      return this.wasOpened(id) ? undefined : stateError(`we have not opened stream ${id}`, frameType)
    const count = this.peerCount(unidirectional)
    // RFC 9000 §4.6 #3, §19.11 #4: a stream ID beyond the limit we sent is a STREAM_LIMIT_ERROR
    if (index >= count.granted)
      return new TransportError(
        TransportErrorCode.STREAM_LIMIT_ERROR,
        `stream ${id} is number ${index + 1} of its kind, and we allow ${count.granted}`,
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
      this.news.opened.push(record)
    }
    return record!
  }

  private create(id: number): StreamRecord {
    const { local } = this
    const unidirectional = isUnidirectional(id)
    const ours = this.isLocal(id)
    const send = unidirectional && !ours ? undefined : new SendStream(this.sendLimit(id))
    const window = unidirectional
      ? local.initialMaxStreamDataUni
      : ours
        ? local.initialMaxStreamDataBidiLocal
        : local.initialMaxStreamDataBidiRemote
    const receive = unidirectional && ours ? undefined : new ReceiveStream(window, local.maxStreamWindowBytes)
    const record = new StreamRecord(id, send, receive)
    this.records.set(id, record)
    return record
  }

  /** What the peer's transport parameters let us send on `id`. RFC 9000 §18.2 */
  private sendLimit(id: number): number {
    const { peer } = this
    if (peer === undefined) return 0
    if (isUnidirectional(id)) return peer.initialMaxStreamDataUni
    return this.isLocal(id) ? peer.initialMaxStreamDataBidiRemote : peer.initialMaxStreamDataBidiLocal
  }

  /** The peer's transport parameters: more credit for every stream there is, and for those to come. RFC 9000 §7.4.1 */
  applyPeerLimits(peer: StreamLimits): void {
    this.peer = peer
    this.localBidi.raise(peer.initialMaxStreamsBidi)
    this.localUni.raise(peer.initialMaxStreamsUni)
    for (const { id, send } of this.records.values()) send?.credit.raise(this.sendLimit(id))
  }

  /** Opened under remembered limits that the peer does not honour any more. */
  isOverLimit(id: number): boolean {
    return this.isLocal(id) && indexOf(id) >= this.localCount(isUnidirectional(id)).limit
  }

  /** Remembered limits are void. */
  forgetPeerLimits(): void {
    this.peer = undefined
    for (const count of [this.localBidi, this.localUni]) {
      count.limit = 0
      count.blockedAt = -1
    }
  }

  /** Both parts of `record` have ended: the peer may open another in its place. */
  close(record: StreamRecord): void {
    record.isClosed = true
    if (!this.isLocal(record.id)) this.peerCount(isUnidirectional(record.id)).closed++
    this.news.closed.push(record)
  }

  forget(record: StreamRecord): void {
    record.queued = 0
    this.records.delete(record.id)
  }
}

const stateError = (reason: string, frameType: number): TransportError =>
  new TransportError(TransportErrorCode.STREAM_STATE_ERROR, reason, frameType)
