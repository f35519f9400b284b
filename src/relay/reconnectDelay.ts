/** When a relay that was lost, or could not be reached, is tried again. */

/** What is known when a link has ended, or none could be made. */
export type LinkEnd = "lost" | "replaced" | "denied"

/** The first delay, and the longest; each failure in a row doubles it. */
const delays: Record<LinkEnd, readonly [firstMillis: number, mostMillis: number]> = {
  lost: [250, 30_000],
  // whoever has taken over the key is there now: coming back at once would be a tug-of-war without end
  replaced: [30_000, 300_000],
  // a person has to change something first
  denied: [30_000, 600_000]
}

/** While a relay restarts it is asked more often, as it said. */
const RESTARTING_MOST_MILLIS = 2_000
/** A relay must not send its clients away for longer. */
const MOST_WAIT_MILLIS = 60_000

/** Delays until the next attempt, over one link after the other. */
export class ReconnectDelay {
  private failures = 0
  private restartingUntilMillis = 0

  /** The link works. */
  reset(): void {
    this.failures = 0
    this.restartingUntilMillis = 0
  }

  /** `random` is from 0 to 1: clients of a relay that restarts must not come back all at once. */
  after(end: LinkEnd, nowMillis: number, random: number): number {
    const [first, most] = delays[end]
    const limit =
      end === "lost" && nowMillis < this.restartingUntilMillis ? Math.min(most, RESTARTING_MOST_MILLIS) : most
    const delay = Math.min(limit, first * 2 ** Math.min(this.failures++, 20))
    return delay * (0.8 + 0.4 * random)
  }

  /** The relay has said when it will be back, and for how long to try then. */
  afterRestarting(
    reconnectInMillis: number,
    tryForMillis: number,
    nowMillis: number,
    random: number
  ): number {
    this.failures = 0
    const wait = Math.min(reconnectInMillis, MOST_WAIT_MILLIS)
    this.restartingUntilMillis = nowMillis + wait + Math.min(tryForMillis, MOST_WAIT_MILLIS)
    return wait + random * Math.max(100, wait / 5)
  }
}
