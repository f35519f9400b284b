import { everything, type HintFilter } from "../path/PathFilter.ts"
import { ANY_PATH, type PathHint } from "../path/pathHint.ts"
import { DeadlineHeap, type Timed } from "../internal/DeadlineHeap.ts"
import { Fifo } from "../internal/Fifo.ts"
import type { FrameContext, FrameOwner } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import { FrameType } from "../wire/FrameType.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { writeDatagram, datagramSize } from "../wire/frameWriters.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { DatagramClaims } from "./DatagramClaims.ts"
import { datagramOverheadBytes, ReceivedDatagrams } from "./ReceivedDatagrams.ts"
import { StreamScheduler } from "./StreamScheduler.ts"
import { Turn } from "./TurnRing.ts"

/**
 * What became of a datagram. RFC 9221 §5.2
 *
 * **Details**
 *
 * `"acknowledged"`: the peer's QUIC stack received it, which does not mean that the application reads it. `"lost"`: it
 * probably did not arrive. `"dropped"`: it was never sent, as newer ones took its place, or the path carries none so large.
 * `"expired"`: it was not sent within its `deadline`.
 *
 * @category models
 * @since 0.1.0
 */
export type DatagramFate = "acknowledged" | "lost" | "dropped" | "expired"

/** What became of the datagram of that ID. */
interface SettledDatagram {
  readonly id: number
  readonly fate: DatagramFate
}

/** What names a value of which only the latest is worth sending. */
export type LatestKey = string | number

/** How a datagram is to be sent. */
export interface DatagramIntent {
  /** Higher ones are sent first; 0 is that of a stream, too, unless it has another. */
  readonly priority: number
  /** When it is no longer worth sending; Infinity for never. */
  readonly deadlineMicros: number
  /** Takes the place of the one of the same key, and the same space, that still waits. */
  readonly latest: LatestKey | undefined
  /** Whose keys they are: the prefix of a claim, so that no two users of a connection replace each other's; −1 without. */
  readonly space: number
  /** On which path it is sent, while there are several. */
  readonly hint: PathHint
}

/** Keys of the application's own datagrams. */
export const NO_SPACE = -1

const plain: DatagramIntent = {
  priority: 0,
  deadlineMicros: Number.POSITIVE_INFINITY,
  latest: undefined,
  space: NO_SPACE,
  hint: ANY_PATH
}

/** A datagram that waits to be sent. */
class QueuedDatagram implements Timed {
  readonly id: number
  readonly bytes: Uint8Array
  readonly priority: number
  readonly hint: PathHint
  readonly latest: LatestKey | undefined
  readonly space: number
  readonly turn: Turn<QueuedDatagram> = new Turn<QueuedDatagram>(this)
  heapIndex = -1
  deadlineMicros = Number.POSITIVE_INFINITY

  constructor(id: number, bytes: Uint8Array, intent: DatagramIntent) {
    this.id = id
    this.bytes = bytes
    this.priority = intent.priority
    this.hint = intent.hint
    this.latest = intent.latest
    this.space = intent.space
  }
}

export { datagramOverheadBytes } from "./ReceivedDatagrams.ts"

/**
 * Queues of unreliable datagrams in both directions. RFC 9221. Each is limited in bytes; every datagram counts
 * `datagramOverheadBytes` extra, so that the number of empty ones is limited too.
 */
export class DatagramQueue implements FrameOwner {
  /** The peer's max_datagram_frame_size; 0 until known. RFC 9221 §3 #1 #2 */
  peerMaxFrameBytes = 0
  /** Datagrams dropped to make room for newer ones, or because of their size, before they were sent (or read). */
  sendDropped = 0
  /** Datagrams not sent by their deadline. */
  sendExpired = 0
  /** Not yet reported, oldest first; only of datagrams sent with `track`. */
  private fates: Fifo<SettledDatagram> | undefined = undefined
  private readonly localMaxFrameBytes: number
  private readonly maxSendBytes: number
  private readonly sendQueue: StreamScheduler<QueuedDatagram>
  /** Created by the first `send` with a deadline. */
  private deadlines: DeadlineHeap<QueuedDatagram> | undefined = undefined
  /** By space; created by the first `send` with a key. */
  private latest: Map<number, Map<LatestKey, QueuedDatagram>> | undefined = undefined
  private sendBytes = 0
  /** What no claim takes. */
  private readonly received: ReceivedDatagrams
  /** Created by the first claim. */
  private claims: DatagramClaims | undefined = undefined
  private nextId = 1
  /** Created by the first `send` with `track`. */
  private tracked: Set<number> | undefined = undefined

  constructor(
    localMaxFrameBytes: number,
    maxSendBytes: number,
    maxReceiveBytes: number,
    filter: HintFilter = everything
  ) {
    this.sendQueue = new StreamScheduler(filter)
    this.localMaxFrameBytes = localMaxFrameBytes
    this.maxSendBytes = maxSendBytes
    this.received = new ReceivedDatagrams(maxReceiveBytes)
  }

  /**
   * Queues `bytes`; to make room, drops the oldest datagrams of the lowest priority, this one perhaps. Returns its ID. The
   * caller has checked the size.
   */
  send(bytes: Uint8Array, track: boolean, intent: DatagramIntent = plain): number {
    const id = this.nextId++
    if (track) (this.tracked ??= new Set()).add(id)
    const datagram = new QueuedDatagram(id, bytes, intent)
    if (intent.latest !== undefined) this.replace(datagram, intent.latest)
    else this.sendQueue.add(datagram.turn, datagram.priority, datagram.hint)
    if (intent.deadlineMicros !== Number.POSITIVE_INFINITY)
      (this.deadlines ??= new DeadlineHeap()).set(datagram, intent.deadlineMicros)
    this.sendBytes += datagramOverheadBytes + bytes.length
    while (this.sendBytes > this.maxSendBytes && this.sendQueue.size > 1)
      this.drop(this.sendQueue.least!.owner)
    return id
  }

  /** Queues `datagram` where the one of the same key waits: a value that changes often has its turn all the same. */
  private replace(datagram: QueuedDatagram, key: LatestKey): void {
    const spaces = (this.latest ??= new Map())
    let latest = spaces.get(datagram.space)
    if (latest === undefined) spaces.set(datagram.space, (latest = new Map()))
    const stale = latest.get(key)
    if (stale?.priority === datagram.priority && stale.hint === datagram.hint)
      this.sendQueue.replace(stale.turn, datagram.turn)
    else this.sendQueue.add(datagram.turn, datagram.priority, datagram.hint)
    latest.set(key, datagram)
    if (stale !== undefined) this.drop(stale)
  }

  /** When `expire` is due; Infinity when no datagram has a deadline. */
  get deadlineMicros(): number {
    return this.deadlines?.earliestMicros ?? Number.POSITIVE_INFINITY
  }

  /** Drops what is no longer worth sending. */
  expire(nowMicros: number): void {
    for (;;) {
      const stale = this.deadlines?.popDue(nowMicros)
      if (stale === undefined) return
      this.remove(stale)
      this.sendExpired++
      this.report(stale.id, "expired")
    }
  }

  /** Memory of the datagrams queued for sending and for reading, including overhead. */
  get queuedBytes(): number {
    return this.sendBytes + this.received.heldBytes + (this.claims?.heldBytes ?? 0)
  }

  /** The largest payload of a frame of at most `maxFrameBytes`. */
  maxPayload(maxFrameBytes: number): number {
    return Math.max(0, maxFrameBytes - (maxFrameBytes < 64 ? 2 : 3))
  }

  hasFrames(): boolean {
    return this.sendQueue.size > 0
  }

  /** The highest priority of any that waits; −Infinity when none does. */
  get sendPriority(): number {
    return this.sendQueue.priority
  }

  /**
   * Writes as many waiting datagrams of priority `least` or higher as fit; one that no packet of this path, or the peer,
   * has room for is dropped.
   */
  writeFrames(
    w: ByteWriter,
    sent: SentFrames,
    context: FrameContext,
    least = Number.NEGATIVE_INFINITY
  ): void {
    const { sendQueue } = this
    const maxFrameBytes = Math.min(this.peerMaxFrameBytes, context.maxFrameBytes)
    while (sendQueue.head !== undefined && sendQueue.priority >= least) {
      const { owner } = sendQueue.head
      const size = datagramSize(owner.bytes.length)
      if (size > maxFrameBytes) this.drop(owner)
      else if (size > w.remaining) return
      else {
        writeDatagram(w, owner.bytes)
        sent.push(FrameType.DATAGRAM_LEN, owner.id)
        this.remove(owner)
      }
    }
  }

  /** A DATAGRAM frame is recorded as its ID. */
  onAcked(_type: number, id: number): void {
    this.report(id, "acknowledged")
  }

  onLost(_type: number, id: number): void {
    this.report(id, "lost")
  }

  /** RFC 9221 §5 #S2: delivered immediately, regardless of gaps elsewhere. */
  onDatagram(bytes: Uint8Array, start: number, end: number, frameBytes: number): TransportError | undefined {
    // RFC 9221 §3 #4: the limit applies to the whole frame
    if (frameBytes > this.localMaxFrameBytes)
      return new TransportError(
        TransportErrorCode.PROTOCOL_VIOLATION,
        "DATAGRAM frame larger than max_datagram_frame_size",
        0x30
      )
    if (this.claims?.take(bytes, start, end) !== true) this.received.push(bytes, start, end)
    return undefined
  }

  get hasReceived(): boolean {
    return this.received.length > 0
  }

  /** Datagrams dropped to make room for newer ones before they were read; not those that were claimed. */
  get receiveDropped(): number {
    return this.received.dropped
  }

  receive(): Uint8Array | undefined {
    return this.received.shift()
  }

  /** Puts datagrams that begin with `prefix` into `queue`, those that wait already, too; undefined if they are claimed. */
  claim(prefix: number, queue: ReceivedDatagrams): (() => void) | undefined {
    const claims = (this.claims ??= new DatagramClaims())
    const release = claims.add(prefix, queue)
    if (release !== undefined) claims.sift(this.received)
    return release
  }

  /** Tells the readers of claimed datagrams of what has arrived. */
  announce(): void {
    this.claims?.announce()
  }

  /** The next fate to report. */
  takeFate(): SettledDatagram | undefined {
    return this.fates?.shift()
  }

  private drop(datagram: QueuedDatagram): void {
    this.remove(datagram)
    this.sendDropped++
    this.report(datagram.id, "dropped")
  }

  private remove(datagram: QueuedDatagram): void {
    this.sendQueue.remove(datagram.turn)
    this.deadlines?.remove(datagram)
    if (datagram.latest !== undefined) this.forget(datagram, datagram.latest)
    this.sendBytes -= datagramOverheadBytes + datagram.bytes.length
  }

  /** A space is kept only while something in it waits. */
  private forget(datagram: QueuedDatagram, key: LatestKey): void {
    const latest = this.latest?.get(datagram.space)
    if (latest?.get(key) !== datagram) return
    latest.delete(key)
    if (latest.size === 0) this.latest!.delete(datagram.space)
  }

  private report(id: number, fate: DatagramFate): void {
    if (this.tracked?.delete(id) === true) (this.fates ??= new Fifo()).push({ id, fate })
  }
}
