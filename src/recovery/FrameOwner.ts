import type { RandomBytes } from "../capability/CryptoSuite.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import type { Level } from "../wire/PacketType.ts"
import type { SentFrames } from "./SentFrames.ts"

/** The packet being filled, as far as the writer of a frame may care. Reused: valid during the call only. */
export interface FrameContext {
  level: Level
  nowMicros: number
  /** The path's smoothed round-trip time, 0 while there is no sample, and its probe timeout. */
  rttMicros: number
  ptoMicros: number
  /** The largest frame that fits a packet of the path, whatever this packet has room for. */
  maxFrameBytes: number
  /** Where in the packet the owners' frames begin. */
  framesStart: number
  random: RandomBytes
}

/** Whoever has frames to send. */
export interface FrameWriter {
  /** Whether `writeFrames` would write an ack-eliciting frame into a packet of this level, given room. */
  hasFrames(level: Level): boolean
  /** Writes what fits `w`, and pushes what it must know the fate of to `sent`. */
  writeFrames(w: ByteWriter, sent: SentFrames, context: FrameContext): void
}

/**
 * A writer that is told what became of its frames: the type and the three numbers it pushed to `sent`. A lost frame is
 * not sent again as it was: its owner looks at what is still worth saying. RFC 9000 §13.3
 */
export interface FrameOwner extends FrameWriter {
  /** May come after `onLost`, for a packet declared lost too early, and then settles the matter. */
  onAcked(type: number, a: number, b: number, c: number): void
  /** Also for a packet still outstanding whose frames a probe is to repeat. RFC 9002 §6.2.4 */
  onLost(type: number, a: number, b: number, c: number): void
}
