import { SentFrame, type SentFrames } from "../recovery/SentFrames.ts"
import { type ByteWriter, varintSize } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import type { Level } from "../wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import { ReceiveBuffer } from "./ReceiveBuffer.ts"
import { SendBuffer } from "./SendBuffer.ts"

/** How far beyond what TLS has read a CRYPTO frame may reach. RFC 9000 §7.5 #1 asks for at least 4096. */
export const cryptoReceiveBytes = 64 * 1024
const maxReadBytes = 64 * 1024
/** A fragment shorter than this waits for the next packet, unless it is all there is. */
const worthwhileBytes = 16

const moreThanEnough = (level: Level): TransportError =>
  new TransportError(
    TransportErrorCode.PROTOCOL_VIOLATION,
    `handshake bytes of encryption level ${level} after its end`,
    FrameType.CRYPTO
  )

/** The CRYPTO streams of the encryption levels; of those that are done nothing is left. RFC 9000 §19.6 */
export class CryptoStream {
  private readonly sending: Array<SendBuffer | undefined> = [undefined, undefined, undefined, undefined]
  private readonly receiving: Array<ReceiveBuffer | undefined> = [undefined, undefined, undefined, undefined]
  /** The levels at which TLS expects nothing more, a bit each. */
  private ended = 0

  /** Queues handshake bytes; they are not copied when large. */
  write(level: Level, bytes: Uint8Array): void {
    ;(this.sending[level] ??= new SendBuffer()).append(bytes)
  }

  /** Written, and not acknowledged yet. */
  get sendBufferBytes(): number {
    let bytes = 0
    for (const buffer of this.sending) bytes += buffer?.held ?? 0
    return bytes
  }

  /** Received, and not read by TLS. */
  get receiveBufferBytes(): number {
    let bytes = 0
    for (const buffer of this.receiving) bytes += buffer?.allocatedBytes ?? 0
    return bytes
  }

  hasFrames(level: Level): boolean {
    const buffer = this.sending[level]
    return buffer !== undefined && (buffer.unsent > 0 || !buffer.lost.isEmpty)
  }

  /** Writes as many frames as fit, what was lost first; of its own level each. RFC 9001 §4 #1, §4.9 #1 */
  writeFrames(w: ByteWriter, sent: SentFrames, level: Level): void {
    const buffer = this.sending[level]
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
    if (length < Math.min(wanted, worthwhileBytes)) return 0
    w.u8(FrameType.CRYPTO)
    w.varint(offset)
    w.varint(length)
    buffer.copyTo(w, offset, length)
    sent.push(SentFrame.Crypto, level, offset, length)
    return length
  }

  onAcked(level: Level, offset: number, length: number): void {
    this.sending[level]?.onAcked(offset, offset + length)
  }

  onLost(level: Level, offset: number, length: number): void {
    this.sending[level]?.onLost(offset, offset + length)
  }

  /** Everything not acknowledged goes out again: for a probe. RFC 9002 §6.2.4 */
  resend(level: Level): void {
    const buffer = this.sending[level]
    buffer?.onLost(buffer.acked, buffer.sent)
  }

  /** `most`: where the bytes of the level have to end. */
  onCrypto(
    level: Level,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    most = Number.MAX_SAFE_INTEGER
  ): TransportError | undefined {
    const buffer = (this.receiving[level] ??= new ReceiveBuffer())
    // RFC 9000 §7.5 #2, §19.6: an endpoint that does not expand its buffer MUST close with CRYPTO_BUFFER_EXCEEDED
    if (offset + (end - start) > Math.min(buffer.readOffset + cryptoReceiveBytes, most))
      return new TransportError(
        TransportErrorCode.CRYPTO_BUFFER_EXCEEDED,
        `CRYPTO data more than ${cryptoReceiveBytes} bytes ahead of what TLS has read, or beyond ${most}`,
        FrameType.CRYPTO
      )
    // RFC 9001 §4.1.3 #1 #2
    if ((this.ended & (1 << level)) !== 0 && offset + (end - start) > buffer.readOffset)
      return moreThanEnough(level)
    buffer.insert(offset, bytes, start, end)
    return undefined
  }

  /** TLS has gone on to another level: nothing may be left at `level`, nor come. RFC 9001 §4.1.3 #3 */
  endReceiving(level: Level): TransportError | undefined {
    this.ended |= 1 << level
    return this.isDrained(level) ? undefined : moreThanEnough(level)
  }

  /** The next contiguous bytes, or undefined. */
  read(level: Level): Uint8Array | undefined {
    return this.receiving[level]?.read(maxReadBytes)
  }

  /** Whether TLS has read everything up to `end`. */
  hasRead(level: Level, end: number): boolean {
    return end <= (this.receiving[level]?.readOffset ?? 0)
  }

  /** True when nothing is waiting to be read, not even behind a gap. RFC 9001 §4.1.3 */
  isDrained(level: Level): boolean {
    const buffer = this.receiving[level]
    return buffer === undefined || (buffer.readable === 0 && !buffer.hasGap)
  }

  /** The level's keys are gone: so is everything it had to send or receive. RFC 9000 §13.3 */
  discard(level: Level): void {
    this.sending[level] = undefined
    this.receiving[level] = undefined
  }

  /** Written and not acknowledged. */
  unacknowledgedBytes(level: Level): number {
    return this.sending[level]?.held ?? 0
  }
}
