const minBytes = 2048

/** Room for the datagram a socket sends next, for ports that take each by itself. */
export class Draft {
  bytes: Uint8Array = new Uint8Array(0)

  /** Returns the offset of the room: there is only one. */
  reserve(maxBytes: number): number {
    if (this.bytes.length < maxBytes)
      this.bytes = new Uint8Array(Math.max(minBytes, 2 ** Math.ceil(Math.log2(maxBytes))))
    return 0
  }
}
