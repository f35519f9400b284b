/** Lifetime totals of one path. */
export class PathCounters {
  packetsSent = 0
  bytesSent = 0
  packetsAcked = 0
  packetsLost = 0
  bytesLost = 0
  spuriousLosses = 0
  congestionEvents = 0
  persistentCongestions = 0
  probeTimeouts = 0
}
