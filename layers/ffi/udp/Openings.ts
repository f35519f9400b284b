/** Enough of a long header for the random connection ID that a client addresses a server by. */
const OPENING_BYTES = 24
const LONG_HEADER = 0x80
const KEPT = 64

/**
 * How the last datagrams with long headers began. An error that the network reports quotes the datagram it is about; who
 * has not seen it cannot quote it.
 */
export class Openings {
  private readonly kept: Array<Uint8Array> = []
  private next = 0

  /** Notes the datagram `bytes[start, end)` if it has a long header, as those of handshakes do. */
  note(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < OPENING_BYTES || (bytes[start] & LONG_HEADER) === 0) return
    this.kept[this.next] = bytes.slice(start, start + OPENING_BYTES)
    this.next = (this.next + 1) % KEPT
  }

  /** Whether one of them began like the datagram quoted. */
  has(quoted: Uint8Array): boolean {
    return (
      quoted.length >= OPENING_BYTES &&
      this.kept.some((opening) => opening.every((byte, i) => byte === quoted[i]))
    )
  }
}
