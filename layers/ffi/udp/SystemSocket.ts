/** A UDP socket of the system: made, configured and bound. */
import { getSystemErrorName } from "node:util"
import * as Result from "effect/Result"
import type { UdpBindOptions } from "../../../src/capability/UdpPort.ts"
import { isWildcard } from "../../../src/wire/destination.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { Native, Pinned } from "../native.ts"
import {
  AF_INET,
  AF_INET6,
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IP_RECVERR,
  IP_RECVTOS,
  IPV6_MTU_DISCOVER,
  IPV6_RECVERR,
  IPV6_RECVPKTINFO,
  IPV6_RECVTCLASS,
  IPV6_V6ONLY,
  PMTUDISC_PROBE,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_RCVBUF,
  SO_REUSEPORT,
  SO_SELECT_ERR_QUEUE,
  SO_SNDBUF,
  SOCK_DGRAM_NONBLOCK_CLOEXEC,
  type SocketCalls,
  type SocketOption,
  SOL_IP,
  SOL_IPV6,
  SOL_UDP,
  UDP_GRO
} from "./socketCalls.ts"
import { INSTRUCTION_BYTES, shardFilter } from "./shardFilter.ts"
import type { SocketNames } from "./SocketNames.ts"

const defaultKernelBufferBytes = 4 * 1024 * 1024

/** The call that failed, and the system's name of the error. */
export interface SystemError {
  readonly call: string
  readonly code: string
}

export class SystemSocket {
  readonly fd: number
  private readonly native: Native
  private readonly calls: SocketCalls
  private readonly value: Pinned

  private constructor(native: Native, calls: SocketCalls, fd: number) {
    this.native = native
    this.calls = calls
    this.fd = fd
    this.value = native.pin(32)
  }

  static open(native: Native, calls: SocketCalls, family: 4 | 6): Result.Result<SystemSocket, SystemError> {
    const domain = family === 4 ? AF_INET : AF_INET6
    const fd = calls.socket(BigInt(domain), SOCK_DGRAM_NONBLOCK_CLOEXEC, 0n)
    return fd < 0
      ? Result.fail({ call: "socket", code: getSystemErrorName(-native.errno) })
      : Result.succeed(new SystemSocket(native, calls, fd))
  }

  /** Prepares and binds the socket. */
  bind(name: Uint8Array, address: SocketAddress, options: UdpBindOptions): Result.Result<void, SystemError> {
    const isIpv6 = address.family === 6
    if (isIpv6) this.set(IPV6_V6ONLY, options.ipv6Only === true ? 1 : 0)
    if (options.reusePort === true) this.set(SO_REUSEPORT, 1)
    // the system grants what it allows
    this.set(SO_RCVBUF, options.receiveBufferBytes ?? defaultKernelBufferBytes)
    this.set(SO_SNDBUF, options.sendBufferBytes ?? defaultKernelBufferBytes)
    const failed = this.configure(isIpv6, isWildcard(address.host) && options.multihomed === true)
    if (failed !== undefined) return Result.fail(failed)
    this.value.bytes.set(name)
    const status = this.calls.bind(BigInt(this.fd), this.value.pointer, BigInt(name.length))
    if (status < 0) return Result.fail(this.error("bind"))
    if (options.reusePort === true && options.shard !== undefined) this.attach(shardFilter(options.shard))
    return Result.void
  }

  localAddress(names: SocketNames): Result.Result<SocketAddress, SystemError> {
    const length = this.native.pin(4)
    this.value.bytes.fill(0)
    length.view.setUint32(0, this.value.bytes.length, true)
    if (this.calls.getsockname(BigInt(this.fd), this.value.pointer, length.pointer) < 0)
      return Result.fail(this.error("getsockname"))
    const address = names.decode(this.value)
    return address === undefined
      ? Result.fail({ call: "getsockname", code: "EAFNOSUPPORT" })
      : Result.succeed(address)
  }

  close(): void {
    this.calls.close(BigInt(this.fd))
  }

  /** Sets what the port promises; an IPv6 socket carries IPv4 too, with options of its own. */
  private configure(isIpv6: boolean, saysDestination: boolean): SystemError | undefined {
    const promised: ReadonlyArray<readonly [SocketOption, number]> = [
      [SO_SELECT_ERR_QUEUE, 1],
      [IP_MTU_DISCOVER, PMTUDISC_PROBE],
      [IP_RECVTOS, 1],
      [[SOL_IP, IP_RECVERR], 1]
    ]
    const ofIpv6: typeof promised = [
      [IPV6_MTU_DISCOVER, PMTUDISC_PROBE],
      [IPV6_RECVTCLASS, 1],
      [[SOL_IPV6, IPV6_RECVERR], 1]
    ]
    for (const [option, value] of isIpv6 ? [...promised, ...ofIpv6] : promised)
      if (!this.set(option, value)) return this.error("setsockopt")
    if (saysDestination && !this.set(isIpv6 ? IPV6_RECVPKTINFO : [SOL_IP, IP_PKTINFO], 1))
      return this.error("setsockopt")
    // older systems deliver each datagram by itself
    this.set([SOL_UDP, UDP_GRO], 1)
    return undefined
  }

  /** Where it fails, the system spreads remotes over the sockets, and shards pass on what is not theirs. */
  private attach(filter: Uint8Array): void {
    const program = this.native.pin(filter.length)
    program.bytes.set(filter)
    const { view } = this.value
    view.setUint16(0, filter.length / INSTRUCTION_BYTES, true)
    view.setBigUint64(8, program.pointer, true)
    const [level, name] = SO_ATTACH_REUSEPORT_CBPF
    this.calls.setsockopt(BigInt(this.fd), BigInt(level), BigInt(name), this.value.pointer, 16n)
    // not collected before the call
    program.bytes.fill(0)
  }

  private set([level, name]: SocketOption, value: number): boolean {
    this.value.view.setInt32(0, Math.min(value, 0x7fff_ffff), true)
    return this.calls.setsockopt(BigInt(this.fd), BigInt(level), BigInt(name), this.value.pointer, 4n) === 0
  }

  private error(call: string): SystemError {
    return { call, code: getSystemErrorName(-this.native.errno) }
  }
}
