import type { BbrPathModel } from "./BbrPathModel.ts"
import { initialWindow } from "./CongestionController.ts"

/** BBR.MinPipeCwnd in datagrams, given that a receiver acknowledges every second one. §5.6.4.3 */
const minimumDatagrams = 4
const quantumMicros = 1_000

/** How much a path holds, in bytes: the bandwidth-delay product and its margins. draft-ietf-ccwg-bbr §5.6.4 */
export class BbrPipe {
  maxDatagramSize: number
  private readonly model: BbrPathModel

  constructor(model: BbrPathModel, maxDatagramSize: number) {
    this.model = model
    this.maxDatagramSize = maxDatagramSize
  }

  /** There has been an RTT sample. */
  get isKnown(): boolean {
    return this.model.minRttMicros !== Number.POSITIVE_INFINITY
  }

  get minimum(): number {
    return minimumDatagrams * this.maxDatagramSize
  }

  /** `gain` bandwidth-delay products; the initial window before the first RTT sample. §5.6.4.2 */
  bdp(bandwidth: number, gain: number): number {
    return this.isKnown ? gain * bandwidth * this.model.minRttMicros : initialWindow(this.maxDatagramSize)
  }

  /** QuantizationBudget; the offload budget is what the pacer releases in one tick. §5.5.8.2 */
  withBudget(inflight: number, pacing: number, isUp: boolean): number {
    const quantum = Math.max(2 * this.maxDatagramSize, pacing * quantumMicros)
    const budget = Math.max(inflight, quantum, this.minimum)
    return isUp ? budget + 2 * this.maxDatagramSize : budget
  }
}
