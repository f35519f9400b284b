import type { Space } from "../wire/PacketType.ts"

/** Marked packets of a test. RFC 9000 §13.4.2 */
const TEST_PACKETS = 10

export type EcnState = "testing" | "unknown" | "capable" | "failed"

/** What an ACK frame says about ECN; `AckFrame` has this shape. */
export interface EcnCounts {
  readonly hasEcn: boolean
  readonly ect0: number
  readonly ect1: number
  readonly ce: number
}

/** Of one packet-number space, each of which counts for itself. RFC 9000 §13.4.1 */
interface SpaceCounts {
  /** Packets sent with ECT(0). */
  sent: number
  /** As of the last ACK frame that passed. */
  ect0: number
  ce: number
}

/**
 * Whether a path carries ECN marks, and the peer reports them. RFC 9000 §13.4.2, §A.4
 *
 * A peer can lie about the counts only at its own expense: each must be plausible for what was sent, an implausible
 * one ends the use of ECN on the path, and an increase of CE merely slows us down.
 */
export class EcnValidator {
  state: EcnState = "failed"
  /** The sockets can mark packets; if not, nothing is ever marked. */
  private readonly isAvailable: boolean
  private readonly spaces: ReadonlyArray<SpaceCounts> = [
    { sent: 0, ect0: 0, ce: 0 },
    { sent: 0, ect0: 0, ce: 0 },
    { sent: 0, ect0: 0, ce: 0 }
  ]
  private testStartedAt = 0
  private testEndsAt = 0
  private testSent = 0
  private testLost = 0
  private acknowledged = false
  /** At least one packet came through neither bleached nor marked CE. */
  private arrivedAsSent = false

  constructor(isAvailable: boolean) {
    this.isAvailable = isAvailable
  }

  /**
   * Tests the path; also a new one that the connection moved to, since counts go on across migrations.
   */
  start(nowMicros: number, ptoMicros: number): void {
    if (!this.isAvailable) return
    this.state = "testing"
    this.testStartedAt = nowMicros
    this.testEndsAt = nowMicros + 3 * ptoMicros
    this.testSent = 0
    this.testLost = 0
    this.acknowledged = false
    this.arrivedAsSent = false
  }

  /** Whether the next datagram shall carry ECT(0). */
  marks(nowMicros: number): boolean {
    if (this.state === "testing" && (this.testSent >= TEST_PACKETS || nowMicros >= this.testEndsAt)) {
      this.state = "unknown"
      this.failIfAllLost()
    }
    return this.state === "testing" || this.state === "capable"
  }

  /** A packet left in a datagram with ECT(0). */
  onSent(space: Space): void {
    this.spaces[space].sent++
    if (this.state === "testing") this.testSent++
  }

  /** A packet that was marked is lost. */
  onLost(sentAtMicros: number): void {
    if (sentAtMicros < this.testStartedAt) return // on the path before this one
    this.testLost++
    if (this.state === "unknown") this.failIfAllLost()
  }

  /**
   * A PTO fired. While no marked packet has arrived, the marks may be why: the test ends here, so that a network that
   * drops them does not cost the handshake. RFC 9000 §13.4.2
   */
  onProbeTimeout(): void {
    if (this.state === "testing" && !this.acknowledged) this.state = "unknown"
  }

  /**
   * An ACK frame that newly acknowledges `newlyAcked` marked packets. Returns by how much CE grew: above 0 it is a
   * sign of congestion. RFC 9000 §13.4.2.1
   */
  onAck(space: Space, newlyAcked: number, counts: EcnCounts, raisesLargest: boolean): number {
    if (this.state === "failed") return 0
    if (newlyAcked > 0) this.acknowledged = true
    // RFC 9000 §13.4.2.1 #1: the counts of reordered frames go backwards, which proves nothing
    if (!raisesLargest) return 0
    if (!counts.hasEcn) {
      if (newlyAcked > 0) this.state = "failed"
      return 0
    }
    const known = this.spaces[space]
    const ect0 = counts.ect0 - known.ect0
    const ce = counts.ce - known.ce
    const plausible =
      ect0 >= 0 &&
      ce >= 0 &&
      ect0 + ce >= newlyAcked &&
      counts.ect0 + counts.ce <= known.sent &&
      counts.ect1 === 0
    // RFC 9000 §13.4.2.2 #1 #2
    if (!plausible) {
      this.state = "failed"
      return 0
    }
    known.ect0 = counts.ect0
    known.ce = counts.ce
    if (ect0 > 0) this.arrivedAsSent = true
    // a path that marks everything CE would only slow us down: it stays unknown, and unmarked
    if (this.state === "unknown" && this.acknowledged && this.arrivedAsSent) this.state = "capable"
    return ce
  }

  private failIfAllLost(): void {
    if (!this.acknowledged && this.testSent > 0 && this.testLost >= this.testSent) this.state = "failed"
  }
}
