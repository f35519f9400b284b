/** The limit of ranges stored per ACK; further ranges are validated and dropped. */
export const MAX_ACK_RANGES = 256

/** An ACK or PATH_ACK frame, received or about to be written; reused from frame to frame. RFC 9000 §19.3 */
export class AckFrame {
  pathId = 0
  /** Written as PATH_ACK, which tells the path. draft-ietf-quic-multipath §4.1 */
  isPathAck = false
  largest = 0
  /** As on the wire; the sender's ack_delay_exponent scales it to microseconds. */
  delayRaw = 0
  /** Range i covers `smallest[i]` … `largestOf[i]`; range 0 is the highest. */
  rangeCount = 0
  readonly smallest: Array<number> = []
  readonly largestOf: Array<number> = []
  hasEcn = false
  ect0 = 0
  ect1 = 0
  ce = 0
}
