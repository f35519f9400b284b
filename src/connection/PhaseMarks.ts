/**
 * What has been seen of the current key phase on one path. Keys and phases are shared by all paths, but packet numbers of
 * two paths cannot be compared, so each path has marks of its own. RFC 9001 §6, draft-ietf-quic-multipath §2.5
 */
export class PhaseMarks {
  /** The lowest packet number received in the current phase; lower ones belong to the previous. */
  lowestReceived = Number.POSITIVE_INFINITY
  /** The highest packet numbers opened with the keys of the current phase, and with those of any before. */
  largestOfCurrent = -1
  largestOfPrevious = -1
  /** The first packet number sent in the current phase; -1 for none. */
  firstSent = -1
  private phase = 0

  /** The marks of phase `phase`, which count from 0: what is known of an earlier one is the past from now on. */
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
