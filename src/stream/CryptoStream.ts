import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import type { Level } from "../wire/PacketType.ts"
import type { TransportError } from "../wire/TransportError.ts"

/** The CRYPTO streams of the encryption levels. RFC 9000 §19.6 */
export class CryptoStream {
  /** Queues handshake bytes; they are not copied when large. */
  write(_level: Level, _bytes: Uint8Array): void {}
  hasFrames(_level: Level): boolean {
    return false
  }
  writeFrames(_w: ByteWriter, _sent: SentFrames, _level: Level): void {}
  onAcked(_level: Level, _offset: number, _length: number): void {}
  onLost(_level: Level, _offset: number, _length: number): void {}
  /** Everything not acknowledged goes out again: for a probe. RFC 9002 §6.2.4 */
  resend(_level: Level): void {}
  onCrypto(
    _level: Level,
    _offset: number,
    _bytes: Uint8Array,
    _start: number,
    _end: number
  ): TransportError | undefined {
    return undefined
  }
  /** The next contiguous bytes, or undefined. */
  read(_level: Level): Uint8Array | undefined {
    return undefined
  }
  /** True when nothing is waiting to be read, not even behind a gap. RFC 9001 §4.1.3 */
  isDrained(_level: Level): boolean {
    return true
  }
  /** The level's keys are gone: so is everything it had to send or receive. RFC 9000 §13.3 */
  discard(_level: Level): void {}
}
