/** Longer samples are cut: something else held them up. */
const MAX_SAMPLE_MICROS = 50_000
/** Fewer samples say nothing. */
const MIN_SAMPLES = 8
/** So long that the slowest samples still fill it with more than the fewest. */
const MIN_WINDOW_MICROS = 2 * MIN_SAMPLES * MAX_SAMPLE_MICROS
/** Nor does less than this share of the window: the first turns are slow in a new process. */
const MIN_FILL = 1 / 8

/**
 * Estimates the service time per waiting client, including everything else that runs meanwhile.
 *
 * Clients are refused for good by this estimate, so it is an average over a time, not over a number of turns: however
 * fast they follow each other, a few that garbage collection or another process has slowed say little about the seconds
 * to come.
 */
export class ServicePace {
  private readonly windowMicros: number
  /** Of recent turns, which weigh less and less: the time they took, and how many they were. */
  private busyMicros = 0
  private turns = 0
  private lastMicros = Number.NaN

  constructor(windowMicros: number) {
    this.windowMicros = Math.max(windowMicros, MIN_WINDOW_MICROS)
  }

  /** 0 until there are enough samples. */
  get microsEach(): number {
    const isKnown = this.turns >= MIN_SAMPLES && this.busyMicros >= this.windowMicros * MIN_FILL
    return isKnown ? this.busyMicros / this.turns : 0
  }

  /** A client is served; `othersWait`: the time until the next turn is then one service time. */
  onTurn(nowMicros: number, othersWait: boolean): void {
    const sample = Math.min(MAX_SAMPLE_MICROS, nowMicros - this.lastMicros)
    if (!Number.isNaN(sample)) {
      const kept = 1 - sample / this.windowMicros
      this.busyMicros = this.busyMicros * kept + sample
      this.turns = this.turns * kept + 1
    }
    this.lastMicros = othersWait ? nowMicros : Number.NaN
  }

  /** Whoever waits, waits for handshakes in flight: the time until the next turn is not spent on service. */
  pause(): void {
    this.lastMicros = Number.NaN
  }
}
