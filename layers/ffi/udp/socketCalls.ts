/** The system calls of UDP sockets, and the numbers that Linux gives to what they take. */
import type * as Result from "effect/Result"
import type { Missing, Native } from "../native.ts"

/** Integers too are declared as pointers, as such calls are the cheapest. */
const signatures = {
  socket: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  bind: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  getsockname: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  setsockopt: { arguments: ["pointer", "pointer", "pointer", "pointer", "pointer"], return: "i32" },
  sendmsg: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  recvmsg: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  poll: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  close: { arguments: ["pointer"], return: "i32" },
  if_nametoindex: { arguments: ["pointer"], return: "u32" },
  if_indextoname: { arguments: ["pointer", "pointer"], return: "pointer" }
} as const

const open = (native: Native) => native.functions("UDP sockets", signatures)

/** The calls. Those that fail return -1, and `Native.errno` says why. */
export type SocketCalls = Result.Result.Success<ReturnType<typeof open>>

export const socketCalls: (native: Native) => Result.Result<SocketCalls, Missing> = open

export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2n | 0x800n | 0x80000n

export const MSG_TRUNC = 0x20
export const MSG_ERRQUEUE = 0x2000n

export const EIO = 5
export const EINTR = 4
export const EAGAIN = 11
export const EINVAL = 22
export const EMSGSIZE = 90
export const EADDRNOTAVAIL = 99
export const ENETUNREACH = 101
export const ENOBUFS = 105
export const ECONNREFUSED = 111

/** A level and an option of `setsockopt`, or the type of a control message. */
export type SocketOption = readonly [level: number, name: number]

export const SOL_IP = 0
export const SOL_SOCKET = 1
export const SOL_UDP = 17
export const SOL_IPV6 = 41

export const SO_SNDBUF: SocketOption = [SOL_SOCKET, 7]
export const SO_RCVBUF: SocketOption = [SOL_SOCKET, 8]
/** Takes a classic BPF program that returns the position of a socket. */
export const SO_ATTACH_REUSEPORT_CBPF: SocketOption = [SOL_SOCKET, 51]
export const SO_REUSEPORT: SocketOption = [SOL_SOCKET, 15]
/** Errors of the queue are urgent data to `poll`, which libuv would take for the end of the socket otherwise. */
export const SO_SELECT_ERR_QUEUE: SocketOption = [SOL_SOCKET, 45]

export const IP_TOS = 1
export const IP_PKTINFO = 8
export const IP_MTU_DISCOVER: SocketOption = [SOL_IP, 10]
export const IP_RECVERR = 11
export const IP_RECVTOS: SocketOption = [SOL_IP, 13]

export const IPV6_MTU_DISCOVER: SocketOption = [SOL_IPV6, 23]
export const IPV6_RECVERR = 25
export const IPV6_V6ONLY: SocketOption = [SOL_IPV6, 26]
export const IPV6_RECVPKTINFO: SocketOption = [SOL_IPV6, 49]
export const IPV6_PKTINFO = 50
export const IPV6_RECVTCLASS: SocketOption = [SOL_IPV6, 66]
export const IPV6_TCLASS = 67

export const UDP_SEGMENT = 103
export const UDP_GRO = 104

/**
 * Sets "don't fragment", and ignores what the system has been told of a path's MTU: the transport finds it out itself.
 * RFC 9000 §14 #2 #3, §14.2.1 #1 #3
 */
export const PMTUDISC_PROBE = 3
