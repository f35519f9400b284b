import {
  type CongestionController,
  type CongestionControllerFactory,
  type CoupledGrowth,
  uncoupled
} from "./CongestionController.ts"
import { Pacer } from "./Pacer.ts"
import type { RttEstimator } from "./RttEstimator.ts"
import type { SentPacket } from "./SentPacket.ts"
import { WindowUse } from "./WindowUse.ts"

export interface SendAllowanceConfig {
  readonly congestion: CongestionControllerFactory
  /** The other paths of the connection; default none. */
  readonly coupled?: CoupledGrowth
  readonly maxDatagramSize: number
}

/**
 * How much one path may send now: what the congestion window leaves of the bytes in flight, released by the pacer.
 * RFC 9002 §7, §7.7
 */
export class SendAllowance {
  congestion: CongestionController
  bytesInFlight = 0
  private readonly makeController: CongestionControllerFactory
  private readonly coupled: CoupledGrowth
  private readonly rtt: RttEstimator
  private readonly pacer: Pacer
  private readonly windowUse = new WindowUse()
  private maxDatagramSize: number

  constructor({ congestion, coupled = uncoupled, maxDatagramSize }: SendAllowanceConfig, rtt: RttEstimator) {
    this.makeController = congestion
    this.coupled = coupled
    this.maxDatagramSize = maxDatagramSize
    this.rtt = rtt
    this.congestion = congestion(maxDatagramSize, coupled)
    this.pacer = new Pacer(maxDatagramSize)
  }

  /** RFC 9002 §7 #2: bytes that window and pacer allow now; 0 if less than a full datagram. */
  quota(nowMicros: number): number {
    const window = this.congestion.window - this.bytesInFlight
    if (window < this.maxDatagramSize) return 0
    const paced = this.pacer.available(nowMicros)
    return paced < this.maxDatagramSize ? 0 : Math.min(window, paced)
  }

  /** When the pacer allows data again: now if it already does, Infinity while the window is full (an ACK opens it). */
  nextSendMicros(nowMicros: number): number {
    if (this.congestion.window - this.bytesInFlight < this.maxDatagramSize) return Number.POSITIVE_INFINITY
    return this.pacer.nextSendMicros(nowMicros)
  }

  /** Counts a packet in flight. RFC 9002 §7.5 #2: including probes */
  onPacketSent(packet: SentPacket, ptoMicros: number, nowMicros: number): void {
    if (this.windowUse.isRestart(this.bytesInFlight, ptoMicros, nowMicros)) {
      this.congestion.onIdleRestart(nowMicros)
      this.updatePacing(nowMicros)
    }
    this.congestion.onPacketSent(packet, this.bytesInFlight, nowMicros)
    this.pacer.onPacketSent(packet.size, nowMicros)
    this.bytesInFlight += packet.size
    this.windowUse.onPacketSent(this.bytesInFlight, this.congestion.window, this.maxDatagramSize, nowMicros)
  }

  /** Whether the window was the limit in this or the previous round trip. RFC 9002 §7.8 */
  isWindowLimited(newestAckedSentMicros: number, nowMicros: number): boolean {
    return this.windowUse.onAcked(newestAckedSentMicros, this.congestion, nowMicros)
  }

  /** To be called after whatever may have changed the controller's rate. */
  updatePacing(nowMicros: number): void {
    this.pacer.setRate(this.congestion.pacingRate(this.rtt), nowMicros)
  }

  /** Bytes per microsecond. */
  get pacingRate(): number {
    return this.pacer.bytesPerMicro
  }

  /** `restart`: begins with the initial window again. */
  setMaxDatagramSize(maxDatagramSize: number, restart: boolean): void {
    this.maxDatagramSize = maxDatagramSize
    if (restart) this.congestion = this.makeController(maxDatagramSize, this.coupled)
    else this.congestion.setMaxDatagramSize(maxDatagramSize)
    this.pacer.setMaxDatagramSize(maxDatagramSize)
  }

  /** Forgets all it knew of the path. RFC 9000 §9.4 #1 */
  reset(nowMicros: number): void {
    this.bytesInFlight = 0
    this.congestion = this.makeController(this.maxDatagramSize, this.coupled)
    this.windowUse.reset()
    this.updatePacing(nowMicros)
  }
}
