import { Level } from "../wire/PacketType.ts"
import { Alert, failure, type TlsFailure, violation } from "./alerts.ts"

/** Maximum size of a handshake message; certificate chains are the largest. */
export const MAX_MESSAGE_BYTES = 65_536

/** Maximum in Initial packets, which come from unauthenticated peers and carry no certificates. */
export const MAX_HELLO_BYTES = 32_768

/** Maximum buffered while the peer's certificate is being verified: one incomplete message and some more. */
const MAX_BUFFERED_BYTES = 2 * MAX_MESSAGE_BYTES

const HEADER_BYTES = 4

/** Shared initial buffer; never written to. */
const empty = new Uint8Array(0)

/** Splits CRYPTO bytes, in arbitrary fragments, into handshake messages; only the current level is accepted. RFC 8446 §4 */
export class HandshakeReader {
  private level: Level
  private buffer: Uint8Array = empty
  private start = 0
  private end = 0

  constructor(level: Level = Level.Initial) {
    this.level = level
  }

  /** Copies `bytes`; the caller may reuse them. */
  push(level: Level, bytes: Uint8Array): TlsFailure | undefined {
    if (bytes.length === 0) return undefined
    // RFC 9001 §4.1.3 #1 #2, §8.3 #1 #2: no data at a finished or future level, and never in 0-RTT
    if (level !== this.level)
      return violation(Alert.unexpected_message, "handshake data at the wrong encryption level")
    if (this.end - this.start + bytes.length > MAX_BUFFERED_BYTES)
      return failure(Alert.unexpected_message, "too much handshake data")
    this.makeRoom(bytes.length)
    this.buffer.set(bytes, this.end)
    this.end += bytes.length
    return undefined
  }

  /** The next complete message, including its header; undefined while it is incomplete. */
  next(): Uint8Array | TlsFailure | undefined {
    const { buffer, start, end } = this
    if (end - start < HEADER_BYTES) return undefined
    const length = (buffer[start + 1] << 16) | (buffer[start + 2] << 8) | buffer[start + 3]
    const most = this.level === Level.Initial ? MAX_HELLO_BYTES : MAX_MESSAGE_BYTES
    if (HEADER_BYTES + length > most)
      return failure(Alert.decode_error, `handshake message too large: ${length} bytes`)
    if (end - start < HEADER_BYTES + length) return undefined
    this.start = start + HEADER_BYTES + length
    const message = buffer.slice(start, this.start)
    // after the handshake there may never be another
    if (this.level === Level.OneRtt && this.start === end) this.clear()
    return message
  }

  /** Messages are expected at `level` from now on. */
  moveTo(level: Level): TlsFailure | undefined {
    this.level = level
    // RFC 9001 §4.1.3 #3, RFC 8446 §5.1: no message may span a key change
    if (this.start < this.end)
      return violation(Alert.unexpected_message, "handshake data left over at a key change")
    this.clear()
    return undefined
  }

  private clear(): void {
    this.buffer = empty
    this.start = this.end = 0
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
