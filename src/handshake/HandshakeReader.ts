import { Level } from "../wire/PacketType.ts"
import { Alert, failure, type TlsFailure, violation } from "./alerts.ts"

/** One handshake message may be this large: certificate chains are the largest. */
export const MAX_MESSAGE_BYTES = 65_536

/** What comes in Initial packets comes from strangers, and has no certificates in it. */
export const MAX_HELLO_BYTES = 32_768

/** What may wait while the peer is being judged: a message that is cut short, and some behind it. */
const MAX_WAITING_BYTES = 2 * MAX_MESSAGE_BYTES

const HEADER_BYTES = 4

/** Nothing is ever written into it: whatever comes gets a buffer of its own. */
const empty = new Uint8Array(0)

/** Cuts CRYPTO bytes, fragmented in any way, into handshake messages, at the one level they may come at. RFC 8446 §4 */
export class HandshakeReader {
  private level: Level
  private buffer: Uint8Array = empty
  private start = 0
  private end = 0

  constructor(level: Level = Level.Initial) {
    this.level = level
  }

  /** Copies `bytes`; the caller may use them again. */
  push(level: Level, bytes: Uint8Array): TlsFailure | undefined {
    if (bytes.length === 0) return undefined
    // RFC 9001 §4.1.3 #1 #2, §8.3 #1 #2: nothing more at a level that is done, nothing early at one to come, never in 0-RTT
    if (level !== this.level)
      return violation(Alert.unexpected_message, "handshake bytes at the wrong encryption level")
    if (this.end - this.start + bytes.length > MAX_WAITING_BYTES)
      return failure(Alert.unexpected_message, "too many handshake bytes")
    this.makeRoom(bytes.length)
    this.buffer.set(bytes, this.end)
    this.end += bytes.length
    return undefined
  }

  /** The next whole message, header included; undefined while it is incomplete. */
  next(): Uint8Array | TlsFailure | undefined {
    const { buffer, start, end } = this
    if (end - start < HEADER_BYTES) return undefined
    const length = (buffer[start + 1] << 16) | (buffer[start + 2] << 8) | buffer[start + 3]
    const most = this.level === Level.Initial ? MAX_HELLO_BYTES : MAX_MESSAGE_BYTES
    if (HEADER_BYTES + length > most)
      return failure(Alert.decode_error, `a handshake message of ${length} bytes`)
    if (end - start < HEADER_BYTES + length) return undefined
    this.start = start + HEADER_BYTES + length
    return buffer.slice(start, this.start)
  }

  /** From here on messages come at `level`. */
  moveTo(level: Level): TlsFailure | undefined {
    this.level = level
    // RFC 9001 §4.1.3 #3, RFC 8446 §5.1: what was sent under the old keys ends where they do
    if (this.start < this.end)
      return violation(Alert.unexpected_message, "handshake bytes left over at a key change")
    this.buffer = empty
    this.start = this.end = 0
    return undefined
  }

  private makeRoom(size: number): void {
    const { buffer, start, end } = this
    if (end + size <= buffer.length) return
    const waiting = end - start
    this.buffer =
      waiting + size <= buffer.length ? buffer : new Uint8Array(Math.max(waiting + size, 2 * buffer.length))
    this.buffer.set(buffer.subarray(start, end))
    this.start = 0
    this.end = waiting
  }
}
