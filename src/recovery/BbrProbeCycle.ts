/** Which part of the latest bandwidth probe incoming ACKs report on. §2.13 */
export type AckPhase = "init" | "refilling" | "probeStarting" | "probeFeedback" | "probeStopping"

/** Progress through the ProbeBW cycle and the result of the last probe. draft-ietf-ccwg-bbr §2.13, §5.3.3 */
export class BbrProbeCycle {
  ackPhase: AckPhase = "init"
  /** Whether ACKs cover packets sent while probing. */
  isSample = false
  /** The last probe lost too much; the next one stops at the limit it found as a precaution. */
  wasTooHigh = false
  wasPrecautionary = false
  startMicros = 0
  waitMicros = 0
  roundsSinceProbe = 0
  private rounds = 0
  private acked = 0
  private ackedPerIncrement: number = Number.POSITIVE_INFINITY

  startDown(nowMicros: number, delivered: number): void {
    this.ackedPerIncrement = Number.POSITIVE_INFINITY
    this.startMicros = nowMicros
    this.ackPhase = "probeStopping"
    // §5.3.3.5.3: two to three seconds, so that flows do not probe in step. A hash of the delivered bytes and the time
    // is random enough, and keeps randomness out of the core.
    const jitter = hashToUnit(delivered + nowMicros)
    this.roundsSinceProbe = jitter < 0.5 ? 0 : 1
    this.waitMicros = 2_000_000 + 1_000_000 * hashToUnit(delivered * 2 + nowMicros)
  }

  startRefill(): void {
    this.rounds = 0
    this.acked = 0
    this.wasPrecautionary = false
    this.ackPhase = "refilling"
  }

  /** Doubles the growth of the long-term limit: 1, 2, 4, 8 … datagrams per round trip. */
  raiseSlope(window: number, maxDatagramSize: number): void {
    const growth = 2 ** this.rounds
    this.rounds = Math.min(this.rounds + 1, 30)
    this.ackedPerIncrement = Math.max(window / growth, maxDatagramSize)
  }

  /** How many bytes the limit grows by for `newlyAcked` packets. */
  growth(newlyAcked: number, maxDatagramSize: number): number {
    this.acked += newlyAcked
    if (this.acked < this.ackedPerIncrement) return 0
    const steps = Math.floor(this.acked / this.ackedPerIncrement)
    this.acked -= steps * this.ackedPerIncrement
    return steps * maxDatagramSize
  }
}

/** Multiplicative hash of `value` to [0, 1). */
const hashToUnit = (value: number): number => (Math.imul(value % 2 ** 32, 0x9e3779b1) >>> 0) / 2 ** 32
