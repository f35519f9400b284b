/** Changes are at least this far apart: each costs the peer work, and more would count against us (see `Strikes`). */
const MIN_INTERVAL_MICROS = 100_000

/**
 * Decides when connection IDs have been in use so long that new ones are due, to limit linkability.
 * RFC 9000 §5.1, §9.5
 */
export class IdRotation {
  /** Infinity without a time limit. */
  deadlineMicros: number
  private readonly afterPackets: number
  private readonly afterMicros: number
  private packetsThen = 0
  private earliestMicros: number

  /** 0 disables the respective limit. */
  constructor(afterPackets: number, afterMillis: number, nowMicros: number) {
    this.afterPackets = afterPackets === 0 ? Number.POSITIVE_INFINITY : afterPackets
    this.afterMicros = afterMillis === 0 ? Number.POSITIVE_INFINITY : afterMillis * 1000
    this.deadlineMicros = nowMicros + this.afterMicros
    this.earliestMicros = nowMicros
  }

  isDue(packetsSent: number, nowMicros: number): boolean {
    if (nowMicros < this.earliestMicros) return false
    return packetsSent - this.packetsThen >= this.afterPackets || nowMicros >= this.deadlineMicros
  }

  /** The IDs were changed, or cannot be changed now. */
  restart(packetsSent: number, nowMicros: number): void {
    this.packetsThen = packetsSent
    this.deadlineMicros = nowMicros + Math.max(this.afterMicros, MIN_INTERVAL_MICROS)
    this.earliestMicros = nowMicros + MIN_INTERVAL_MICROS
  }
}
