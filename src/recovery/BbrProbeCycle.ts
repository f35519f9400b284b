/** What ACKs say about the latest probe for bandwidth. §2.13 */
export type AckPhase = "init" | "refilling" | "probeStarting" | "probeFeedback" | "probeStopping"

/** Where in the cycle of ProbeBW a sender is, and how its last probe went. draft-ietf-ccwg-bbr §2.13, §5.3.3 */
export class BbrProbeCycle {
  ackPhase: AckPhase = "init"
  /** Whether ACKs are those of packets sent while probing. */
  isSample = false
  /** The last probe lost too much; the next one stops at the limit it found, as a precaution. */
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
    // §5.3.3.5.3: two to three seconds, so that flows do not probe in step. What was delivered until now is
    // random enough for that, and keeps the core free of a source of randomness.
    const scattered = scatter(delivered + nowMicros)
    this.roundsSinceProbe = scattered < 0.5 ? 0 : 1
    this.waitMicros = 2_000_000 + 1_000_000 * scatter(delivered * 2 + nowMicros)
  }

  startRefill(): void {
    this.rounds = 0
    this.acked = 0
    this.wasPrecautionary = false
    this.ackPhase = "refilling"
  }

  /** The long-term limit grows by 1, 2, 4, 8 … datagrams a round trip. */
  raiseSlope(window: number, maxDatagramSize: number): void {
    const growth = 2 ** this.rounds
    this.rounds = Math.min(this.rounds + 1, 30)
    this.ackedPerIncrement = Math.max(window / growth, maxDatagramSize)
  }

  /** By how many bytes the limit grows for these. */
  growth(newlyAcked: number, maxDatagramSize: number): number {
    this.acked += newlyAcked
    if (this.acked < this.ackedPerIncrement) return 0
    const steps = Math.floor(this.acked / this.ackedPerIncrement)
    this.acked -= steps * this.ackedPerIncrement
    return steps * maxDatagramSize
  }
}

/** A number in [0, 1) that differs wildly between neighbours. */
const scatter = (value: number): number => (Math.imul(value % 2 ** 32, 0x9e3779b1) >>> 0) / 2 ** 32
