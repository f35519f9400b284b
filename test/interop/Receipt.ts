/** Counts, digests and times what arrives on one stream. */
import { createHash } from "node:crypto"

export class Receipt {
  private readonly hash = createHash("sha256")
  private readonly startedAt = performance.now()
  private bytes = 0

  add(bytes: Uint8Array): void {
    this.hash.update(bytes)
    this.bytes += bytes.length
  }

  /** To be read once, at the end of everything: the clock runs until then. */
  get received(): { readonly bytes: number; readonly sha256: string; readonly millis: number } {
    return {
      bytes: this.bytes,
      sha256: this.hash.digest("hex"),
      millis: performance.now() - this.startedAt
    }
  }
}
