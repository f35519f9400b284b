import type { FrameContext } from "../../src/recovery/FrameOwner.ts"
import { Level } from "../../src/wire/PacketType.ts"

/** The context of a 1-RTT packet, unless overridden. */
export const frameContext = (fields: Partial<FrameContext> = {}): FrameContext => ({
  level: Level.OneRtt,
  nowMicros: 0,
  rttMicros: 0,
  ptoMicros: 100_000,
  maxFrameBytes: 1200,
  framesStart: 0,
  random: (length) => new Uint8Array(length),
  ...fields
})
