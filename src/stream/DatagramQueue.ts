import { Fifo } from "../internal/Fifo.ts"
import type { FrameContext, FrameOwner } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import { FrameType } from "../wire/FrameType.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { writeDatagram, datagramSize } from "../wire/frameWriters.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"

/**
 * What became of a datagram. RFC 9221 §5.2
 *
 * **Details**
 *
 * `"acknowledged"`: the peer's QUIC stack received it, which does not mean that the application reads it. `"lost"`: it
 * probably did not arrive. `"dropped"`: it was never sent.
 *
 * @category models
 * @since 0.1.0
 */
export type DatagramFate = "acknowledged" | "lost" | "dropped"

interface QueuedDatagram {
  readonly id: number
  readonly bytes: Uint8Array
}

/** Approximate overhead of a queued datagram: even an empty one is two objects and a slot in the queue. */
export const datagramOverheadBytes = 256

/**
 * Queues of unreliable datagrams in both directions. RFC 9221. Each is limited in bytes; every datagram counts
 * `datagramOverheadBytes` extra, so that the number of empty ones is limited too.
 */
export class DatagramQueue implements FrameOwner {
  /** The peer's max_datagram_frame_size; 0 until known. RFC 9221 §3 #1 #2 */
  peerMaxFrameBytes = 0
  /** Datagrams dropped from the full queue to make room for newer ones, before they were sent (or read). */
  sendDropped = 0
  receiveDropped = 0
  /** Fates not yet reported, oldest first; only of datagrams sent with `track`. */
  readonly fates = new Fifo<{ readonly id: number; readonly fate: DatagramFate }>()
  private readonly localMaxFrameBytes: number
  private readonly queueBytes: number
  private readonly sendQueue = new Fifo<QueuedDatagram>()
  private sendBytes = 0
  private readonly receiveQueue = new Fifo<Uint8Array>()
  private receiveBytes = 0
  private nextId = 1
  /** Created by the first `send` with `track`. */
  private tracked: Set<number> | undefined = undefined

  constructor(localMaxFrameBytes: number, queueBytes: number) {
    this.localMaxFrameBytes = localMaxFrameBytes
    this.queueBytes = queueBytes
  }

  /** Queues `bytes`, dropping the oldest datagrams to make room. Returns its ID. The caller has checked the size. */
  send(bytes: Uint8Array, track: boolean): number {
    const id = this.nextId++
    if (track) (this.tracked ??= new Set()).add(id)
    this.sendQueue.push({ id, bytes })
    this.sendBytes += datagramOverheadBytes + bytes.length
    while (this.sendBytes > this.queueBytes && this.sendQueue.length > 1) this.dropFirst()
    return id
  }

  /** Memory of the datagrams queued for sending and for reading, including overhead. */
  get queuedBytes(): number {
    return this.sendBytes + this.receiveBytes
  }

  /** The largest payload of a frame of at most `maxFrameBytes`. */
  maxPayload(maxFrameBytes: number): number {
    return Math.max(0, maxFrameBytes - (maxFrameBytes < 64 ? 2 : 3))
  }

  hasFrames(): boolean {
    return this.sendQueue.length > 0
  }

  /** Writes as many waiting datagrams as fit; one that no packet of this path, or the peer, has room for is dropped. */
  writeFrames(w: ByteWriter, sent: SentFrames, context: FrameContext): void {
    const maxFrameBytes = Math.min(this.peerMaxFrameBytes, context.maxFrameBytes)
    for (let next = this.sendQueue.first; next !== undefined; next = this.sendQueue.first) {
      const size = datagramSize(next.bytes.length)
      if (size > maxFrameBytes) this.dropFirst()
      else if (size > w.remaining) return
      else {
        writeDatagram(w, next.bytes)
        sent.push(FrameType.DATAGRAM_LEN, next.id)
        this.takeFirst()
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
    this.receiveQueue.push(bytes.slice(start, end))
    this.receiveBytes += datagramOverheadBytes + (end - start)
    while (this.receiveBytes > this.queueBytes && this.receiveQueue.length > 1) {
      this.receive()
      this.receiveDropped++
    }
    return undefined
  }

  get hasReceived(): boolean {
    return this.receiveQueue.length > 0
  }

  receive(): Uint8Array | undefined {
    const bytes = this.receiveQueue.shift()
    if (bytes !== undefined) this.receiveBytes -= datagramOverheadBytes + bytes.length
    return bytes
  }

  private dropFirst(): void {
    const datagram = this.takeFirst()
    this.sendDropped++
    this.report(datagram.id, "dropped")
  }

  private takeFirst(): QueuedDatagram {
    const datagram = this.sendQueue.shift()!
    this.sendBytes -= datagramOverheadBytes + datagram.bytes.length
    return datagram
  }

  private report(id: number, fate: DatagramFate): void {
    if (this.tracked?.delete(id) === true) this.fates.push({ id, fate })
  }
}
