/** The first pause after a move. */
const FIRST_MILLIS = 1_000
const LONGEST_MILLIS = 60_000

/**
 * Hysteresis of automatic moves, so that an interface that flaps does not make connections move without end: a move is
 * made at once, the next not before a second has passed, and each further one after twice as long a pause, up to a
 * minute. Twice the last pause without a move ends that.
 */
export class MovePace {
  private pauseMillis = 0
  private movedAtMillis = Number.NEGATIVE_INFINITY

  /** How long the next move has to wait: whole milliseconds, so that a sleep of as long is never too short. */
  waitMillis(nowMillis: number): number {
    return Math.max(0, Math.ceil(this.movedAtMillis + this.pauseMillis - nowMillis))
  }

  onMoved(nowMillis: number): void {
    const isCalm = nowMillis - this.movedAtMillis > 2 * this.pauseMillis
    this.pauseMillis = isCalm ? FIRST_MILLIS : Math.min(2 * this.pauseMillis, LONGEST_MILLIS)
    this.movedAtMillis = nowMillis
  }
}
