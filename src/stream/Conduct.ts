import type { TransportError } from "../wire/TransportError.ts"

type Result = TransportError | undefined

/** Told what the frames of a peer were good for; answers with the error that ends its connection, if it is too much. */
export interface Conduct {
  /** Frames that changed something; others are measured against their number. */
  useful: number
  /** A frame that changed nothing. */
  needless(frameType: number): Result
  /** A frame that nobody has reason to send twice in a packet. */
  oncePerPacket(frameType: number): Result
  /** The peer gave up a stream that it opened. */
  abandoned(frameType: number): Result
}

/** Objects to nothing. */
export const lenientConduct: Conduct = {
  useful: 0,
  needless: () => undefined,
  oncePerPacket: () => undefined,
  abandoned: () => undefined
}
