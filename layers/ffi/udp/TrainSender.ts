/** Hands trains to the system, and judges what it says of them. */
import { getSystemErrorName } from "node:util"
import { formatAddress } from "../../../src/wire/SocketAddress.ts"
import type { UdpStatistics } from "../../udp/UdpStatistics.ts"
import { describeSendError, lastingErrors } from "../../udp/systemErrors.ts"
import type { Native } from "../native.ts"
import type { ErrorQueue } from "./ErrorQueue.ts"
import type { Memory } from "./Memories.ts"
import { Message } from "./Message.ts"
import {
  EADDRNOTAVAIL,
  EAGAIN,
  EINTR,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  IP_PKTINFO,
  IP_TOS,
  IPV6_PKTINFO,
  IPV6_TCLASS,
  type SocketCalls,
  SOL_IP,
  SOL_IPV6,
  SOL_UDP,
  UDP_SEGMENT
} from "./socketCalls.ts"
import type { SocketNames } from "./SocketNames.ts"
import type { Train } from "./Train.ts"

/** Attempts to send where the system reports the error of an earlier datagram instead. */
const MAX_ATTEMPTS = 4

/** Whether the address to send from can be why a call has failed; a train first leaves datagram by datagram. */
const mayBeOfSource = (error: number, divided: boolean): boolean =>
  error === ENETUNREACH || error === EADDRNOTAVAIL || (error === EINVAL && !divided)

export class TrainSender {
  private readonly native: Native
  private readonly calls: SocketCalls
  private readonly fd: bigint
  private readonly isIpv6: boolean
  private readonly names: SocketNames
  private readonly errors: ErrorQueue
  private readonly counters: UdpStatistics
  private readonly message: Message
  /** The system divides trains; otherwise their datagrams are sent one by one. */
  private divides = true
  /** What the message points to. */
  private memory: Memory | undefined = undefined
  private name: Uint8Array | undefined = undefined

  constructor(
    native: Native,
    calls: SocketCalls,
    fd: bigint,
    family: 4 | 6,
    names: SocketNames,
    errors: ErrorQueue,
    counters: UdpStatistics
  ) {
    this.native = native
    this.calls = calls
    this.fd = fd
    this.isIpv6 = family === 6
    this.names = names
    this.errors = errors
    this.counters = counters
    this.message = new Message(native)
  }

  /** Sends what of the train has not left yet; false if the system has no room for it. */
  send(train: Train): boolean {
    if (train.count === 1 || train.left > 0 || !this.divides) return this.sendSingly(train)
    const error = this.attempt(train, 0, train.bytes, true)
    if (error === 0) {
      this.counters.sent += train.count
      return true
    }
    if (error === EAGAIN) return false
    // no checksum offload on this route, or a datagram that is too large for it
    if (error === EIO) this.divides = false
    if (error !== EIO && error !== EINVAL && error !== EMSGSIZE) {
      this.refuse(train, error, train.count)
      return true
    }
    const { sent } = this.counters
    const isDone = this.sendSingly(train)
    if (error === EINVAL && this.counters.sent - sent === train.count) this.divides = false
    return isDone
  }

  private sendSingly(train: Train): boolean {
    for (; train.left < train.count; train.left++) {
      const start = train.left * train.size
      const error = this.attempt(train, start, Math.min(train.size, train.bytes - start), false)
      if (error === EAGAIN) return false
      if (error === 0) this.counters.sent++
      else this.refuse(train, error, 1)
    }
    return true
  }

  /** Returns 0 or the error. */
  private attempt(train: Train, start: number, bytes: number, divided: boolean): number {
    this.address(train, start, bytes)
    const { message } = this
    message.controlBytes = this.writeControl(train, divided, true)
    let error = this.sendMessage()
    if (train.from !== undefined && mayBeOfSource(error, divided)) {
      // the address is gone: any other may do
      message.controlBytes = this.writeControl(train, divided, false)
      error = this.sendMessage()
    }
    return error
  }

  private sendMessage(): number {
    for (let attempts = 1; ; attempts++) {
      if (this.calls.sendmsg(this.fd, this.message.pointer, 0n) >= 0) return 0
      const error = this.native.errno
      if (error === EAGAIN) return error
      // it may be that of an earlier datagram, if the network has reported one
      if (error !== EINTR && this.errors.read() === 0) return error
      if (attempts === MAX_ATTEMPTS) return error
    }
  }

  private address({ memory, name }: Train, start: number, bytes: number): void {
    const { message } = this
    if (start > 0 || memory !== this.memory) {
      message.setPayload(memory.pinned, start)
      this.memory = start > 0 ? undefined : memory
    }
    message.payloadBytes = bytes
    if (name !== this.name) {
      message.name.bytes.set(name)
      message.nameBytes = name.length
      this.name = name
    }
  }

  /** Returns the length of the control messages. */
  private writeControl(train: Train, divided: boolean, withSource: boolean): number {
    const { message } = this
    const { view } = message.control
    let end = 0
    if (divided) {
      const data = message.append(SOL_UDP, UDP_SEGMENT, 2, end)
      view.setUint16(data, train.size, true)
      end = message.after(data, 2)
    }
    if (train.ecn !== 0) {
      const isTos = train.to.family === 4
      const data = message.append(isTos ? SOL_IP : SOL_IPV6, isTos ? IP_TOS : IPV6_TCLASS, 4, end)
      view.setInt32(data, train.ecn, true)
      end = message.after(data, 4)
    }
    const source = withSource && train.from !== undefined ? this.names.encode(train.from) : undefined
    return source === undefined ? end : this.writeSource(source, end)
  }

  /** The source of an IPv4 packet too is an IPv6 address if the socket is an IPv6 one. */
  private writeSource(name: Uint8Array, end: number): number {
    const { message } = this
    const { bytes } = message.control
    const length = this.isIpv6 ? 20 : 12
    const data = message.append(
      this.isIpv6 ? SOL_IPV6 : SOL_IP,
      this.isIpv6 ? IPV6_PKTINFO : IP_PKTINFO,
      length,
      end
    )
    bytes.fill(0, data, data + length)
    if (this.isIpv6) {
      // the interface of a link-local address
      for (let i = 0; i < 16; i++) bytes[data + i] = name[8 + i]
      for (let i = 0; i < 4; i++) bytes[data + 16 + i] = name[24 + i]
    } else for (let i = 0; i < 4; i++) bytes[data + 4 + i] = name[4 + i]
    return message.after(data, length)
  }

  private refuse(train: Train, error: number, count: number): void {
    const { counters } = this
    const code = getSystemErrorName(-error)
    if (error === EMSGSIZE) {
      counters.sendTooLarge += count
      counters.lastError = `send ${code} ${formatAddress(train.to)}`
    } else if (error === ENOBUFS) {
      counters.sendDropped += count
      counters.lastError = `send ${code} ${formatAddress(train.to)}`
    } else {
      counters.sendErrors += count - 1
      const problem = describeSendError(code, `send ${code} ${formatAddress(train.to)}`)
      counters.refused(problem, train.to, lastingErrors[code] !== undefined)
    }
  }
}
