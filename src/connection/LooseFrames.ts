import type { FrameContext, FrameOwner, FrameWriter } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import { writeHandshakeDone, writePing } from "../wire/frameWriters.ts"
import { Level } from "../wire/PacketType.ts"

/** server: repeats HANDSHAKE_DONE until it is acknowledged. RFC 9000 §13.3 #2, §19.20 */
export class HandshakeDone implements FrameOwner {
  private pending = false
  private isAcknowledged = false

  send(): void {
    this.pending = true
    this.isAcknowledged = false
  }

  hasFrames(): boolean {
    return this.pending
  }

  writeFrames(w: ByteWriter, sent: SentFrames): void {
    if (!this.pending || w.remaining === 0) return
    writeHandshakeDone(w)
    sent.push(FrameType.HANDSHAKE_DONE)
    this.pending = false
  }

  onAcked(): void {
    this.pending = false
    this.isAcknowledged = true
  }

  /** A probe may have repeated it: the loss of one copy says nothing once another was acknowledged. */
  onLost(): void {
    this.pending = !this.isAcknowledged
  }
}

/** PING: requested, or in a probe without other ack-eliciting frames. Never retransmitted. */
export class Ping implements FrameWriter {
  private pending = false

  request(): void {
    this.pending = true
  }

  hasFrames(): boolean {
    return this.pending
  }

  /** Called last: any other ack-eliciting frame does as well. RFC 9002 §6.2.4 #1 #2 #S3 */
  writeFrames(w: ByteWriter, sent: SentFrames, { level, framesStart }: FrameContext): void {
    if (level === Level.OneRtt) this.pending = false
    if (w.offset > framesStart || w.remaining === 0) return
    writePing(w)
    sent.push(FrameType.PING)
  }
}
