/**
 * What the network reports of datagrams sent before: ICMP errors, which quote them. The system has matched addresses and
 * ports; whether the quoted datagram, with its connection ID, was sent is asked here. RFC 9000 §14.2.1 #2 #S1 #S2 #S3
 */
import { getSystemErrorName } from "node:util"
import { formatAddress } from "../../../src/wire/SocketAddress.ts"
import type { UdpStatistics } from "../../udp/UdpStatistics.ts"
import type { Native, Pinned } from "../native.ts"
import { Message } from "./Message.ts"
import type { Openings } from "./Openings.ts"
import {
  ECONNREFUSED,
  EMSGSIZE,
  IP_RECVERR,
  IPV6_RECVERR,
  MSG_ERRQUEUE,
  type SocketCalls,
  SOL_IP,
  SOL_IPV6
} from "./socketCalls.ts"
import type { SocketNames } from "./SocketNames.ts"

/** Errors read in one go. */
const MAX_ERRORS = 64
const QUOTED_BYTES = 1500
/** An error of our own system, which has told it before. */
const ORIGIN_LOCAL = 1

export class ErrorQueue {
  private readonly calls: SocketCalls
  private readonly fd: bigint
  private readonly names: SocketNames
  private readonly openings: Openings
  private readonly counters: UdpStatistics
  private readonly message: Message
  private readonly quoted: Pinned

  constructor(
    native: Native,
    calls: SocketCalls,
    fd: bigint,
    names: SocketNames,
    openings: Openings,
    counters: UdpStatistics
  ) {
    this.calls = calls
    this.fd = fd
    this.names = names
    this.openings = openings
    this.counters = counters
    this.message = new Message(native)
    this.quoted = native.pin(QUOTED_BYTES)
    this.message.setPayload(this.quoted, 0)
  }

  /** Reads what has been reported; returns how much of it by the network. */
  read(): number {
    const { message } = this
    let reported = 0
    for (let i = 0; i < MAX_ERRORS; i++) {
      message.expect()
      const quoted = this.calls.recvmsg(this.fd, message.pointer, MSG_ERRQUEUE)
      if (quoted < 0) break
      message.rewind()
      while (message.nextControl())
        if (this.isError() && this.take(Math.min(quoted, QUOTED_BYTES))) reported++
    }
    return reported
  }

  private isError(): boolean {
    const { level, type, dataBytes } = this.message
    const isError = (level === SOL_IP && type === IP_RECVERR) || (level === SOL_IPV6 && type === IPV6_RECVERR)
    return isError && dataBytes >= 16
  }

  /** Takes the `sock_extended_err` in the message; returns whether the network reports it. */
  private take(quotedBytes: number): boolean {
    const { message, counters } = this
    const { view } = message.control
    const { data } = message
    if (view.getUint8(data + 4) === ORIGIN_LOCAL) return false
    const error = view.getUint32(data, true)
    const info = view.getUint32(data + 8, true)
    const to = this.names.decode(message.name)
    const problem = describe(error, info)
    counters.socketErrors++
    counters.lastError = to === undefined ? problem : `${problem}: ${formatAddress(to)}`
    // what is said of sizes is counted, and changes nothing: path MTU discovery does without. RFC 9000 §14.2.1 #1 #3
    // RFC 1122 §3.2.2.1, §4.2.3.9: a port nobody listens at is final, an unreachable host or network is not
    if (
      to !== undefined &&
      error !== EMSGSIZE &&
      this.openings.has(this.quoted.bytes.subarray(0, quotedBytes))
    )
      counters.reported(problem, to, error === ECONNREFUSED)
    return true
  }
}

const describe = (error: number, info: number): string => {
  if (error === EMSGSIZE) return `the network carries packets of ${info} bytes`
  const reported = `the network reports ${getSystemErrorName(-error)}`
  return error === ECONNREFUSED ? `nobody listens there (${reported})` : reported
}
