import type { ConnectionPath } from "./ConnectionPath.ts"

/** Sums over paths of what each of them counts. */
export class PathTotals {
  datagramsSent = 0
  datagramsReceived = 0
  bytesSent = 0
  bytesReceived = 0
  packetsSent = 0
  packetsLost = 0
  bytesLost = 0
  probeTimeouts = 0
  congestionEvents = 0

  add({ traffic, recovery: { counters } }: ConnectionPath): void {
    this.datagramsSent += traffic.datagramsSent
    this.datagramsReceived += traffic.datagramsReceived
    this.bytesSent += traffic.bytesSent
    this.bytesReceived += traffic.bytesReceived
    this.packetsSent += counters.packetsSent
    this.packetsLost += counters.packetsLost
    this.bytesLost += counters.bytesLost
    this.probeTimeouts += counters.probeTimeouts
    this.congestionEvents += counters.congestionEvents
  }
}
