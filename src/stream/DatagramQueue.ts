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

/** Unreliable messages in both directions, each queue with a limit in bytes. RFC 9221 */
export class DatagramQueue {
  /** The largest frame the peer takes, 0 for none until it has said so. RFC 9221 §3 #1 #2 */
  peerMaxFrameBytes = 0
  /** Datagrams thrown away because newer ones came before they could leave, or were read. */
  sendDropped = 0
  receiveDropped = 0
  /** Fates not yet told, oldest first: id, fate. Told only for datagrams sent with `track`. */
  readonly fates: Array<{ readonly id: number; readonly fate: DatagramFate }> = []
  private readonly localMaxFrameBytes: number
  private readonly queueBytes: number
  private sendQueue: Array<Waiting> = []
  private sendBytes = 0
  private receiveQueue: Array<Uint8Array> = []
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
    this.sendBytes += bytes.length
    while (this.sendBytes > this.queueBytes && this.sendQueue.length > 1) this.drop(this.sendQueue[0])
    return id
  }

  /** Waiting to be sent or to be read. */
  get queuedBytes(): number {
    return this.sendBytes + this.receiveBytes
  }

  get canSend(): boolean {
    return this.sendBytes < this.queueBytes
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
    while (this.sendQueue.length > 0) {
      const next = this.sendQueue[0]
      const size = datagramSize(next.bytes.length)
      if (size > maxFrameBytes) this.drop(next)
      else if (size > w.remaining) return
      else {
        writeDatagram(w, next.bytes)
        sent.push(SentFrame.Datagram, next.id)
        this.sendQueue.shift()
        this.sendBytes -= next.bytes.length
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
    this.receiveBytes += end - start
    while (this.receiveBytes > this.queueBytes && this.receiveQueue.length > 1) {
      this.receiveBytes -= this.receiveQueue.shift()!.length
      this.receiveDropped++
    }
    return undefined
  }

  get hasReceived(): boolean {
    return this.receiveQueue.length > 0
  }

  receive(): Uint8Array | undefined {
    const bytes = this.receiveQueue.shift()
    if (bytes !== undefined) this.receiveBytes -= bytes.length
    return bytes
  }

  private drop(waiting: Waiting): void {
    this.sendQueue.splice(this.sendQueue.indexOf(waiting), 1)
    this.sendBytes -= waiting.bytes.length
    this.sendDropped++
    this.tell(waiting.id, "dropped")
  }

  private tell(id: number, fate: DatagramFate): void {
    if (this.tracked?.delete(id) === true) this.fates.push({ id, fate })
  }
}
