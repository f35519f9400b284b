import type { UdpCounters } from "../../src/capability/UdpPort.ts"

/** The counters of one socket, as the side that counts sees them. */
export class UdpStatistics implements UdpCounters {
  sent = 0
  received = 0
  receiveDropped = 0
  sendDropped = 0
  sendTooLarge = 0
  sendErrors = 0
  socketErrors = 0
  lastError: string | undefined = undefined
}
