/**
 * When the connection IDs have been seen often or long enough by those on the way, and new ones are due.
 * RFC 9000 §5.1, §9.5
 */
export class IdRotation {
  /** Infinity when time alone calls for none. */
  deadlineMicros: number
  private readonly afterPackets: number
  private readonly afterMicros: number
  private packetsThen = 0

  /** 0 is never, for both. */
  constructor(afterPackets: number, afterMillis: number, nowMicros: number) {
    this.afterPackets = afterPackets === 0 ? Number.POSITIVE_INFINITY : afterPackets
    this.afterMicros = afterMillis === 0 ? Number.POSITIVE_INFINITY : afterMillis * 1000
    this.deadlineMicros = nowMicros + this.afterMicros
  }

  isDue(packetsSent: number, nowMicros: number): boolean {
    return packetsSent - this.packetsThen >= this.afterPackets || nowMicros >= this.deadlineMicros
  }

  /** They have been changed, or cannot be for now. */
  restart(packetsSent: number, nowMicros: number): void {
    this.packetsThen = packetsSent
    this.deadlineMicros = nowMicros + this.afterMicros
  }
}
