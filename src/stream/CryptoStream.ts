import type { FrameContext, FrameOwner } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import { writeCryptoHeader } from "../wire/frameWriters.ts"
import { type ByteWriter, varintSize } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import { Level } from "../wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { ReceiveBuffer } from "./ReceiveBuffer.ts"
import { SendBuffer } from "./SendBuffer.ts"

/** How far a CRYPTO frame may reach beyond what TLS has read. RFC 9000 §7.5 #1 requires at least 4096. */
export const cryptoReceiveBytes = 64 * 1024
const maxReadBytes = 64 * 1024
/** Shorter fragments wait for the next packet, unless nothing is left after them. */
const minFragmentBytes = 16

const dataAfterEnd = (level: Level): TransportError =>
  new TransportError(
    TransportErrorCode.PROTOCOL_VIOLATION,
    `handshake data at encryption level ${level} after its end`,
    FrameType.CRYPTO
  )

/** One of them. */
class CryptoLevel {
  /** Only while it holds data. */
  sending: SendBuffer | undefined = undefined
  written = 0
  receiving: ReceiveBuffer | undefined = undefined
  /** What a buffer that was freed had read. */
  read = 0

  freeReceived(): void {
    if (this.receiving?.isEmpty !== true) return
    this.read = this.receiving.readOffset
    this.receiving = undefined
  }
}

/** The CRYPTO streams, one per encryption level; freed when the level's keys are discarded. RFC 9000 §19.6 */
export class CryptoStream implements FrameOwner {
  /** Those that were used, and not discarded yet. */
  private readonly levels: Array<CryptoLevel | undefined> = [undefined, undefined, undefined, undefined]
  /** Bit set of the levels at which TLS expects no more data. */
  private ended = 0

  private use(level: Level): CryptoLevel {
    return (this.levels[level] ??= new CryptoLevel())
  }

  /** Queues handshake bytes; large ones are not copied. */
  write(level: Level, bytes: Uint8Array): void {
    const at = this.use(level)
    const buffer = (at.sending ??= new SendBuffer(at.written))
    buffer.append(bytes)
    at.written += bytes.length
  }

  /** Bytes written but not acknowledged. */
  get sendBufferBytes(): number {
    let bytes = 0
    for (const at of this.levels) bytes += at?.sending?.held ?? 0
    return bytes
  }

  /** Bytes received but not read by TLS. */
  get receiveBufferBytes(): number {
    let bytes = 0
    for (const at of this.levels) bytes += at?.receiving?.allocatedBytes ?? 0
    return bytes
  }

  /** Memory of bytes behind a gap. */
  get reorderBytes(): number {
    let bytes = 0
    for (const at of this.levels) bytes += at?.receiving?.reorderBytes ?? 0
    return bytes
  }

  hasFrames(level: Level): boolean {
    const buffer = this.levels[level]?.sending
    return buffer !== undefined && (buffer.unsent > 0 || !buffer.lost.isEmpty)
  }

  /** What was never sent. */
  unsentBytes(level: Level): number {
    return this.levels[level]?.sending?.unsent ?? 0
  }

  /** Writes as many frames as fit, lost data first. RFC 9001 §4 #1, §4.9 #1: each level has its own data. */
  writeFrames(w: ByteWriter, sent: SentFrames, { level }: FrameContext): void {
    const buffer = this.levels[level]?.sending
    if (buffer === undefined) return
    while (!buffer.lost.isEmpty) {
      const offset = buffer.lost.firstStart
      const length = this.writeFrame(buffer, w, sent, level, offset, buffer.lost.firstEnd - offset)
      if (length === 0) return
      buffer.lost.remove(offset, offset + length)
    }
    while (buffer.unsent > 0)
      if (this.writeFrame(buffer, w, sent, level, buffer.sent, buffer.unsent) === 0) return
  }

  private writeFrame(
    buffer: SendBuffer,
    w: ByteWriter,
    sent: SentFrames,
    level: Level,
    offset: number,
    wanted: number
  ): number {
    const room = w.remaining - 1 - varintSize(offset)
    const length = Math.min(wanted, room - varintSize(Math.max(0, Math.min(wanted, room))))
    if (length < Math.min(wanted, minFragmentBytes)) return 0
    writeCryptoHeader(w, offset, length)
    buffer.copyTo(w, offset, length)
    sent.push(FrameType.CRYPTO, level, offset, length)
    return length
  }

  /** A CRYPTO frame is recorded as its level, offset and length. */
  onAcked(_type: number, level: number, offset: number, length: number): void {
    const at = this.levels[level]
    if (at?.sending === undefined) return
    at.sending.onAcked(offset, offset + length)
    if (at.sending.held === 0) at.sending = undefined
  }

  onLost(_type: number, level: number, offset: number, length: number): void {
    this.levels[level]?.sending?.onLost(offset, offset + length)
  }

  /** `maxEnd` is the largest offset accepted at this level. */
  onCrypto(
    level: Level,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    maxEnd = Number.MAX_SAFE_INTEGER
  ): TransportError | undefined {
    const at = this.use(level)
    const buffer = (at.receiving ??= new ReceiveBuffer(at.read))
    // RFC 9000 §7.5 #2, §19.6: an endpoint that does not expand its buffer MUST close with CRYPTO_BUFFER_EXCEEDED
    if (offset + (end - start) > Math.min(buffer.readOffset + cryptoReceiveBytes, maxEnd))
      return new TransportError(
        TransportErrorCode.CRYPTO_BUFFER_EXCEEDED,
        `CRYPTO data more than ${cryptoReceiveBytes} bytes ahead of what TLS has read, or beyond offset ${maxEnd}`,
        FrameType.CRYPTO
      )
    // RFC 9001 §4.1.3 #1 #2
    if ((this.ended & (1 << level)) !== 0 && offset + (end - start) > buffer.readOffset)
      return dataAfterEnd(level)
    buffer.insert(offset, bytes, start, end)
    return undefined
  }

  /** TLS has moved to the next level: fails if data is left at `level`, and rejects any further. RFC 9001 §4.1.3 #3 */
  endReceiving(level: Level): TransportError | undefined {
    this.ended |= 1 << level
    return this.isDrained(level) ? undefined : dataAfterEnd(level)
  }

  /** The next contiguous bytes, or undefined. */
  read(level: Level): Uint8Array | undefined {
    const at = this.levels[level]
    const bytes = at?.receiving?.read(maxReadBytes)
    // after the handshake there may never be any more
    if (bytes === undefined && level === Level.OneRtt) at?.freeReceived()
    return bytes
  }

  /** Whether TLS has read everything up to `end`. */
  hasRead(level: Level, end: number): boolean {
    const at = this.levels[level]
    return at !== undefined && end <= (at.receiving?.readOffset ?? at.read)
  }

  /** Whether no data is buffered, not even behind a gap. RFC 9001 §4.1.3 */
  isDrained(level: Level): boolean {
    const buffer = this.levels[level]?.receiving
    return buffer === undefined || (buffer.readable === 0 && !buffer.hasGap)
  }

  /** Drops all data of a level whose keys were discarded. RFC 9000 §13.3 */
  discard(level: Level): void {
    this.levels[level] = undefined
  }

  /** Drops everything, for a handshake that begins anew. */
  restart(): void {
    this.levels.fill(undefined)
    this.ended = 0
  }
}
