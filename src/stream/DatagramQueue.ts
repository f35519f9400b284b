import { Fifo } from "../internal/Fifo.ts"
import { type SentFrames, SentFrame } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { writeDatagram, datagramSize } from "../wire/frameWriters.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"

/** What became of a datagram. RFC 9221 §5.2: acknowledged means it reached the peer's QUIC, lost that it probably did not. */
export type DatagramFate = "acknowledged" | "lost" | "dropped"

interface Waiting {
  readonly id: number
  readonly bytes: Uint8Array
}

/** What a waiting datagram takes besides its bytes, about: even an empty one is two objects and a place in a queue. */
export const ITEM_BYTES = 256

/**
 * Unreliable messages in both directions, each queue with a limit in bytes, where every message counts `ITEM_BYTES` more
 * than it has: so there is a limit to the empty ones as well. RFC 9221
 */
export class DatagramQueue {
  /** The largest frame the peer takes, 0 for none until it has said so. RFC 9221 §3 #1 #2 */
  peerMaxFrameBytes = 0
  /** Datagrams thrown away because newer ones came before they could leave, or were read. */
  sendDropped = 0
  receiveDropped = 0
  /** Fates not yet told, oldest first: id, fate. Told only for datagrams sent with `track`. */
  readonly fates = new Fifo<{ readonly id: number; readonly fate: DatagramFate }>()
  private readonly localMaxFrameBytes: number
  private readonly queueBytes: number
  private readonly sendQueue = new Fifo<Waiting>()
  private sendBytes = 0
  private readonly receiveQueue = new Fifo<Uint8Array>()
  private receiveBytes = 0
  private nextId = 1
  /** Made when the first fate is asked for. */
  private tracked: Set<number> | undefined = undefined

  constructor(localMaxFrameBytes: number, queueBytes: number) {
    this.localMaxFrameBytes = localMaxFrameBytes
    this.queueBytes = queueBytes
  }

  /** Queues `bytes`; the oldest waiting ones make room. Returns its id. The caller has checked the size. */
  send(bytes: Uint8Array, track: boolean): number {
    const id = this.nextId++
    if (track) (this.tracked ??= new Set()).add(id)
    this.sendQueue.push({ id, bytes })
    this.sendBytes += ITEM_BYTES + bytes.length
    while (this.sendBytes > this.queueBytes && this.sendQueue.length > 1) this.dropFirst()
    return id
  }

  /** Waiting to be sent or to be read, with what they cost besides. */
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

  /** Writes as many waiting datagrams as fit; one that can never fit `maxFrameBytes` is dropped. */
  writeFrames(w: ByteWriter, sent: SentFrames, maxFrameBytes: number): void {
    for (let next = this.sendQueue.first; next !== undefined; next = this.sendQueue.first) {
      const size = datagramSize(next.bytes.length)
      if (size > maxFrameBytes) this.dropFirst()
      else if (size > w.remaining) return
      else {
        writeDatagram(w, next.bytes)
        sent.push(SentFrame.Datagram, next.id)
        this.takeFirst()
      }
    }
  }

  onAcked(id: number): void {
    this.tell(id, "acknowledged")
  }

  onLost(id: number): void {
    this.tell(id, "lost")
  }

  /** RFC 9221 §5 #S2: can be received at once, whatever else is missing. */
  onDatagram(bytes: Uint8Array, start: number, end: number, frameBytes: number): TransportError | undefined {
    // RFC 9221 §3 #4: the limit counts the whole frame
    if (frameBytes > this.localMaxFrameBytes)
      return new TransportError(TransportErrorCode.PROTOCOL_VIOLATION, "DATAGRAM larger than we allow", 0x30)
    this.receiveQueue.push(bytes.slice(start, end))
    this.receiveBytes += ITEM_BYTES + (end - start)
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
    if (bytes !== undefined) this.receiveBytes -= ITEM_BYTES + bytes.length
    return bytes
  }

  private dropFirst(): void {
    const waiting = this.takeFirst()
    this.sendDropped++
    this.tell(waiting.id, "dropped")
  }

  private takeFirst(): Waiting {
    const waiting = this.sendQueue.shift()!
    this.sendBytes -= ITEM_BYTES + waiting.bytes.length
    return waiting
  }

  private tell(id: number, fate: DatagramFate): void {
    if (this.tracked?.delete(id) === true) this.fates.push({ id, fate })
  }
}
