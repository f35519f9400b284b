import type { FrameOwner } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import { FrameType } from "../wire/FrameType.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { writeNewToken } from "../wire/frameWriters.ts"

/**
 * server: offers the client one token for each of its validated addresses, for its next connection.
 * RFC 9000 §8.1.3, §9.3 #S1
 */
export class TokenOffer implements FrameOwner {
  private pending = false
  /** Undefined once acknowledged. */
  private token: Uint8Array | undefined = undefined
  private host: string | undefined = undefined
  /** Numbers the tokens, so that the fate of earlier ones is ignored. */
  private number = 0

  /** The client's address `host` is validated; `make` makes its token, if it gets one. RFC 9000 §19.7 #1 #3 */
  issue(host: string, make: () => Uint8Array | undefined): void {
    if (host === this.host) return
    this.host = host
    this.token = make()
    this.pending = this.token !== undefined
    this.number++
  }

  hasFrames(): boolean {
    return this.pending
  }

  writeFrames(w: ByteWriter, sent: SentFrames): void {
    if (!this.pending || this.token === undefined || this.token.length + 3 > w.remaining) return
    writeNewToken(w, this.token)
    sent.push(FrameType.NEW_TOKEN, this.number)
    this.pending = false
  }

  /** A NEW_TOKEN frame is recorded as the number of its token. */
  onAcked(_type: number, number: number): void {
    if (number !== this.number) return
    this.token = undefined
    this.pending = false
  }

  onLost(_type: number, number: number): void {
    if (number === this.number) this.pending = this.token !== undefined
  }
}
