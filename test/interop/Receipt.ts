/** Counts, hashes and times what arrives on one stream. */
import { createHash } from "node:crypto"

export class Receipt {
  private readonly hash = createHash("sha256")
  private readonly startedAt = performance.now()
  private bytes = 0

  add(bytes: Uint8Array): void {
    this.hash.update(bytes)
    this.bytes += bytes.length
  }

  /** Read once, at the end: stops the clock. */
  get received(): StreamReceived {
    return {
      bytes: this.bytes,
      sha256: this.hash.digest("hex"),
      millis: performance.now() - this.startedAt
    }
  }
}

export interface StreamReceived {
  readonly bytes: number
  readonly sha256: string
  readonly millis: number
}

/** Combines several streams, all with the same content; the digest is only meaningful if all agree. */
export const combineStreams = (streams: ReadonlyArray<StreamReceived>): StreamReceived => {
  const [{ sha256 }] = streams
  return {
    bytes: streams.reduce((sum, { bytes }) => sum + bytes, 0),
    sha256: streams.every((stream) => stream.sha256 === sha256) ? sha256 : "not the same on every stream",
    millis: Math.max(...streams.map(({ millis }) => millis))
  }
}
