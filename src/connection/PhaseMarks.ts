/**
 * The state of the current key phase on one path. Paths share keys and phases, but their packet numbers cannot be
 * compared. RFC 9001 §6, draft-ietf-quic-multipath §2.5
 */
export class PhaseMarks {
  /** The lowest packet number received in the current phase; lower ones belong to the previous phase. */
  lowestReceived = Number.POSITIVE_INFINITY
  /** The highest packet numbers opened with the current keys, and with any earlier ones. */
  largestOfCurrent = -1
  largestOfPrevious = -1
  /** The first packet number sent in the current phase; -1 for none. */
  firstSent = -1
  private phase = 0

  /** The marks for phase `phase` (counted from 0); moves on to it if they are of an earlier one. */
  of(phase: number): this {
    if (phase === this.phase) return this
    this.phase = phase
    this.lowestReceived = Number.POSITIVE_INFINITY
    this.largestOfPrevious = Math.max(this.largestOfPrevious, this.largestOfCurrent)
    this.largestOfCurrent = -1
    this.firstSent = -1
    return this
  }
}
