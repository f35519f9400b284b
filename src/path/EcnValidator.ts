import type { Space } from "../wire/PacketType.ts"

/** Packets marked while testing. RFC 9000 §13.4.2 */
const TEST_PACKETS = 10

export type EcnState = "unsupported" | "testing" | "unknown" | "capable" | "failed"

/** The ECN counts of an ACK frame; `AckFrame` has this shape. */
export interface EcnCounts {
  readonly hasEcn: boolean
  readonly ect0: number
  readonly ect1: number
  readonly ce: number
}

/** Counts of one packet-number space. RFC 9000 §13.4.1 */
interface SpaceCounts {
  /** Packets sent with ECT(0). */
  sent: number
  /** As of the last valid ACK frame. */
  ect0: number
  ce: number
}

/**
 * Validates that a path carries ECN marks and that the peer reports them. RFC 9000 §13.4.2, §A.4
 *
 * Lying about the counts only hurts the peer: they must be plausible for what was sent, implausible ones disable ECN on
 * the path, and a higher CE count merely slows us down.
 */
export class EcnValidator {
  state: EcnState
  /** The sockets can mark packets; otherwise nothing is ever marked. */
  private readonly isAvailable: boolean
  /** Those in which anything was marked. */
  private readonly spaces: Array<SpaceCounts | undefined> = [undefined, undefined, undefined]
  private testStartedAt = 0
  private testEndsAt = 0
  private testSent = 0
  private testLost = 0
  private acknowledged = false
  /** At least one packet arrived with ECT(0) intact. */
  private arrivedAsSent = false

  constructor(isAvailable: boolean) {
    this.isAvailable = isAvailable
    this.state = isAvailable ? "failed" : "unsupported"
  }

  /**
   * Tests the path, and a new one after a migration; the counts continue across migrations.
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

  /** Whether the next datagram is marked ECT(0). */
  marks(nowMicros: number): boolean {
    if (this.state === "testing" && (this.testSent >= TEST_PACKETS || nowMicros >= this.testEndsAt)) {
      this.state = "unknown"
      this.failIfAllLost()
    }
    return this.state === "testing" || this.state === "capable"
  }

  /** A packet was sent in a datagram marked ECT(0). */
  onSent(space: Space): void {
    this.counts(space).sent++
    if (this.state === "testing") this.testSent++
  }

  /** A marked packet was lost. */
  onLost(sentAtMicros: number): void {
    if (sentAtMicros < this.testStartedAt) return // sent on the previous path
    this.testLost++
    if (this.state === "unknown") this.failIfAllLost()
  }

  /**
   * The PTO expired. The marks may be why no marked packet has arrived: the test ends, so that a network that
   * drops them does not break the handshake. RFC 9000 §13.4.2
   */
  onProbeTimeout(): void {
    if (this.state === "testing" && !this.acknowledged) this.state = "unknown"
  }

  /**
   * An ACK frame that newly acknowledges `newlyAcked` marked packets. Returns the increase of CE; above 0 signals
   * congestion. RFC 9000 §13.4.2.1
   */
  onAck(space: Space, newlyAcked: number, counts: EcnCounts, raisesLargest: boolean): number {
    if (this.state === "failed" || this.state === "unsupported") return 0
    if (newlyAcked > 0) this.acknowledged = true
    // RFC 9000 §13.4.2.1 #1: the counts of reordered frames are lower, which is no failure
    if (!raisesLargest) return 0
    if (!counts.hasEcn) {
      if (newlyAcked > 0) this.state = "failed"
      return 0
    }
    const known = this.counts(space)
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
    // a path that marks everything CE would only slow us down: it stays unknown and unmarked
    if (this.state === "unknown" && this.acknowledged && this.arrivedAsSent) this.state = "capable"
    return ce
  }

  /** Nothing more is sent or acknowledged in that space. */
  discard(space: Space): void {
    this.spaces[space] = undefined
  }

  private counts(space: Space): SpaceCounts {
    return (this.spaces[space] ??= { sent: 0, ect0: 0, ce: 0 })
  }

  private failIfAllLost(): void {
    if (!this.acknowledged && this.testSent > 0 && this.testLost >= this.testSent) this.state = "failed"
  }
}
