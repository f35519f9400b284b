import type { UdpCounters } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

type RefusalListener = (to: SocketAddress, problem: string, isLasting: boolean) => void

/** The counters of one socket, writable by its port. */
export class UdpStatistics implements UdpCounters {
  sent = 0
  received = 0
  receiveDropped = 0
  sendDropped = 0
  sendTooLarge = 0
  sendErrors = 0
  socketErrors = 0
  lastError: string | undefined = undefined
  private refusalListener: RefusalListener | undefined = undefined

  onRefused(listener: RefusalListener): void {
    this.refusalListener = listener
  }

  /** The network reported that a datagram sent before has not arrived at `to`. */
  reported(problem: string, to: SocketAddress, isLasting: boolean): void {
    this.refusalListener?.(to, problem, isLasting)
  }

  /** The system refused to send; `to` is undefined if it does not report the destination. */
  refused(problem: string, to: SocketAddress | undefined, isLasting: boolean): void {
    this.sendErrors++
    this.lastError = problem
    if (to !== undefined) this.refusalListener?.(to, problem, isLasting)
  }
}
