import type { ConnectionPath } from "./ConnectionPath.ts"
import { Space } from "../wire/PacketType.ts"
import type { SchedulerPath } from "../capability/PathScheduling.ts"

/** A path as a scheduler sees it. */
export class PathView implements SchedulerPath {
  readonly path: ConnectionPath
  /** Set before the scheduler is asked. */
  hasRoom = false
  /** Nothing was acknowledged for so long that it may have fallen silent: it is not worth waiting for. */
  isOverdue = false
  private largestAcked = -1
  private ackedMicros = 0

  constructor(path: ConnectionPath) {
    this.path = path
  }

  observe(nowMicros: number): void {
    const { recovery } = this.path
    const largest = recovery.largestAcked(Space.Application)
    if (largest !== this.largestAcked || recovery.packetsInFlight === 0) this.ackedMicros = nowMicros
    this.largestAcked = largest
    const { smoothedMicros, variationMicros } = recovery.rtt
    this.isOverdue = nowMicros - this.ackedMicros > smoothedMicros + 4 * variationMicros
    this.hasRoom = this.path.maySend && this.path.mayElicit(nowMicros)
  }

  get id(): number {
    return this.path.id
  }

  get cost(): number {
    return this.path.status.cost
  }

  get smoothedRttMicros(): number {
    return this.path.recovery.rtt.smoothedMicros
  }

  get rttVariationMicros(): number {
    return this.path.recovery.rtt.variationMicros
  }

  get latestRttMicros(): number {
    return this.path.recovery.rtt.latestMicros
  }

  get congestionWindow(): number {
    return this.path.recovery.congestionWindow
  }

  get slowStartThreshold(): number {
    return this.path.recovery.congestion.slowStartThreshold
  }

  get bytesInFlight(): number {
    return this.path.recovery.bytesInFlight
  }

  get bytesSent(): number {
    return this.path.traffic.bytesSent
  }

  get datagramBytes(): number {
    return this.path.mtu.current
  }

  get rate(): number {
    return this.congestionWindow / Math.max(1, this.smoothedRttMicros)
  }
}
