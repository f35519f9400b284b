/**
 * `UdpPort` on `node:dgram`.
 *
 * A datagram costs about 4 µs each way, nine tenths of it in the kernel. What is left to save is saved: addresses are literals
 * and skip the resolver, one callback serves every send, and bytes are copied once into a slab, because a datagram
 * the kernel does not take at once stays referenced until it does.
 */
import * as dgram from "node:dgram"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import {
  type EcnCodepoint,
  type ReceivedDatagram,
  type UdpBindOptions,
  UdpBindError,
  type UdpCapabilities,
  UdpPort,
  type UdpPortShape,
  type UdpSocket
} from "../../src/capability/UdpPort.ts"
import { isWildcard } from "../../src/wire/destination.ts"
import { type SocketAddress, socketAddress } from "../../src/wire/SocketAddress.ts"
import { familyOf, mapped } from "../udp/hostLiteral.ts"
import * as MultihomedPort from "../udp/MultihomedPort.ts"
import { defaultReceiveQueueLength, ReceiveQueue } from "../udp/ReceiveQueue.ts"
import { RemoteAddresses } from "../udp/RemoteAddresses.ts"
import { UdpStatistics } from "../udp/UdpStatistics.ts"
import { interfaceAddresses, zoneName } from "./interfaces.ts"

const defaultKernelBufferBytes = 4 * 1024 * 1024
const slabBytes = 256 * 1024
/** Datagrams the kernel would not take yet; beyond these, sending is dropping. */
const maxQueuedSends = 1024
/**
 * So many datagrams are kept until the last of them is there, or until `flush`. A first flight is of two, and the second takes
 * a young process a while to make: a server that has half a ClientHello for that long may ask for proof of the address.
 */
const togetherCount = 4
/** 65,535 less the UDP header, and in IPv4 the IP header. */
const maxPayload = { 4: 65_507, 6: 65_527 } as const

/** A datagram in the slab that the system has not seen yet. */
interface HeldDatagram {
  readonly offset: number
  readonly length: number
  readonly port: number
  readonly host: string
}

class NodeUdpSocket implements UdpSocket {
  readonly localAddress: SocketAddress
  readonly capabilities: UdpCapabilities
  readonly counters = new UdpStatistics()
  congested = false
  private readonly socket: dgram.Socket
  private readonly queue: ReceiveQueue
  private readonly remotes = new RemoteAddresses()
  /** What `to` says of every datagram: known without asking the system unless bound to a wildcard. */
  private readonly boundTo: SocketAddress | undefined
  private slab = Buffer.allocUnsafeSlow(slabBytes)
  private slabUsed = 0
  /** Sends whose callback has not been called: taken by the kernel in this turn, or still queued. */
  private unconfirmed = 0
  private readonly held: Array<HeldDatagram> = []
  private closed = false

  constructor(socket: dgram.Socket, options: UdpBindOptions) {
    const { address, port } = socket.address()
    this.localAddress = { host: address, port, family: familyOf(address) }
    this.boundTo = isWildcard(address) ? undefined : this.localAddress
    this.capabilities = {
      ecn: false,
      dontFragment: false,
      maxDatagramSize: maxPayload[this.localAddress.family]
    }
    this.socket = socket
    this.queue = new ReceiveQueue(options.receiveQueueLength ?? defaultReceiveQueueLength)
    socket.on("message", this.onMessage)
    socket.on("error", this.onSocketError)
  }

  onReadable(wake: () => void): void {
    this.queue.onReadable(wake)
  }

  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    return this.queue.drain(max, handle)
  }

  send(buffer: Uint8Array, start: number, end: number, to: SocketAddress, _ecn: EcnCodepoint): void {
    const length = end - start
    if (length > this.capabilities.maxDatagramSize) {
      this.counters.sendTooLarge++
      return
    }
    // Sends of this turn are unconfirmed too, so the system is asked only when there are suspiciously many.
    if (
      this.closed ||
      (this.unconfirmed >= maxQueuedSends && this.socket.getSendQueueCount() >= maxQueuedSends)
    ) {
      this.counters.sendDropped++
      return
    }
    if (to.port < 1 || to.port > 65_535 || (to.family === 6 && this.localAddress.family === 4)) {
      this.counters.refused(`no such destination for this socket: ${to.host} port ${to.port}`, to, true)
      return
    }
    const offset = this.reserve(length)
    Buffer.prototype.copy.call(buffer, this.slab, offset, start, end)
    const host = to.family === 4 && this.localAddress.family === 6 ? mapped(to.host) : to.host
    this.unconfirmed++
    this.held.push({ offset, length, port: to.port, host })
    if (this.held.length === togetherCount) this.release()
  }

  onRefused(listener: Parameters<UdpSocket["onRefused"]>[0]): void {
    this.counters.onRefused(listener)
  }

  flush(): void {
    this.release()
    if (this.unconfirmed > 0 && !this.closed) this.congested = this.socket.getSendQueueCount() > 0
  }

  close(): void {
    if (this.closed) return
    this.release()
    this.closed = true
    this.congested = false
    this.queue.close()
    this.socket.close()
  }

  private release(): void {
    const { held, slab, socket } = this
    for (const { offset, length, port, host } of held)
      socket.send(slab, offset, length, port, host, this.onSent)
    held.length = 0
  }

  private reserve(length: number): number {
    if (this.unconfirmed === 0) this.slabUsed = 0
    if (this.slabUsed + length > this.slab.length) {
      this.release()
      // The kernel may still refer to the full slab; it is left to the garbage collector then.
      if (this.socket.getSendQueueCount() > 0) this.slab = Buffer.allocUnsafeSlow(slabBytes)
      this.slabUsed = 0
    }
    const offset = this.slabUsed
    this.slabUsed += length
    return offset
  }

  private readonly onSent = (error: NodeJS.ErrnoException | null): void => {
    this.unconfirmed--
    if (error === null) this.counters.sent++
    else this.countSendError(error)
    if (this.congested && !this.closed && this.socket.getSendQueueCount() === 0) {
      this.congested = false
      this.queue.wake()
    }
  }

  private countSendError(error: NodeJS.ErrnoException): void {
    if (error.code === "EMSGSIZE") {
      this.counters.sendTooLarge++
      this.counters.lastError = error.message
      return
    }
    const { address, port } = error as SendError
    const to = address === undefined || port === undefined ? undefined : socketAddress(address, port)
    const meaning = lastingRefusals[error.code ?? ""]
    const problem = meaning === undefined ? error.message : `${meaning} (${error.message})`
    this.counters.refused(problem, to, meaning !== undefined)
  }

  private readonly onMessage = (message: Buffer, remote: dgram.RemoteInfo): void => {
    // Nobody can answer port 0, and node:dgram throws when asked to. RFC 768
    if (this.closed || remote.port === 0) return
    // A Buffer's `slice` is a view where a Uint8Array's is a copy: the core must never meet one.
    const bytes = new Uint8Array(message.buffer as ArrayBuffer, message.byteOffset, message.length)
    if (this.queue.push(bytes, this.remotes.intern(remote.address, remote.port), this.boundTo, 0)) {
      this.counters.received++
    } else {
      this.counters.receiveDropped++
    }
  }

  /** ICMP and the like: the network's opinion about one destination, while the socket itself stays good. */
  private readonly onSocketError = (error: Error): void => {
    this.counters.socketErrors++
    this.counters.lastError = error.message
  }
}

/** What node:dgram adds to the errors of sending. */
type SendError = NodeJS.ErrnoException & { readonly address?: string; readonly port?: number }

/** What these codes mean of a destination; after others, such as ENOBUFS, the next attempt may succeed. */
const lastingRefusals: Record<string, string | undefined> = {
  EACCES: "it is a broadcast address, or a firewall forbids it",
  EPERM: "a firewall forbids it",
  ENETUNREACH: "there is no route to its network",
  EHOSTUNREACH: "there is no route to it",
  EADDRNOTAVAIL: "not from the address that this socket is bound to",
  EINVAL: "not from the address that this socket is bound to, or not at all",
  EAFNOSUPPORT: "this system does not speak its family"
}

/** Destinations are literals already; answering at once keeps the resolver and its tick out of every send. */
const literalLookup: dgram.SocketOptions["lookup"] = (host, _options, callback) =>
  callback(null, host, familyOf(host))

const reasons: Record<string, UdpBindError["reason"] | undefined> = {
  EADDRINUSE: "AddressInUse",
  EADDRNOTAVAIL: "AddressNotAvailable",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EINVAL: "InvalidAddress"
}

const advice: Record<UdpBindError["reason"], string> = {
  AddressInUse: "another socket has this port; choose another one, or 0 for any that is free",
  AddressNotAvailable: "no interface of this machine has this address",
  PermissionDenied: "ports below 1024 need privileges on most systems",
  InvalidAddress: "the host must be an IPv4 or IPv6 address literal and the port between 0 and 65535",
  Unknown: "the system refused"
}

const bindError = (
  host: string,
  port: number,
  reason: UdpBindError["reason"],
  detail: string
): UdpBindError =>
  new UdpBindError({
    reason,
    host,
    port,
    message: `Cannot bind a UDP socket to ${host} port ${port}: ${advice[reason]} (${detail})`
  })

const open = (options: UdpBindOptions): Effect.Effect<NodeUdpSocket, UdpBindError> =>
  Effect.callback((resume) => {
    const host = options.host ?? "0.0.0.0"
    const port = options.port ?? 0
    const wanted = socketAddress(host, port, zoneName)
    if (wanted === undefined || !Number.isInteger(port) || port < 0 || port > 65_535) {
      return resume(Effect.fail(bindError(host, port, "InvalidAddress", "nothing was asked of the system")))
    }
    const socket = dgram.createSocket({
      type: wanted.family === 6 ? "udp6" : "udp4",
      ipv6Only: options.ipv6Only ?? false,
      reusePort: options.reusePort ?? false,
      lookup: literalLookup
    })
    const refused = (error: NodeJS.ErrnoException): void => {
      socket.close()
      const reason = reasons[error.code ?? ""] ?? "Unknown"
      resume(Effect.fail(bindError(host, port, reason, error.message)))
    }
    socket.once("error", refused)
    socket.bind({ address: wanted.host, port, exclusive: true }, () => {
      socket.off("error", refused)
      // Linux grants what it allows without complaint; where the system does complain, its default will do.
      try {
        socket.setRecvBufferSize(options.receiveBufferBytes ?? defaultKernelBufferBytes)
        socket.setSendBufferSize(options.sendBufferBytes ?? defaultKernelBufferBytes)
      } catch {}
      resume(Effect.succeed(new NodeUdpSocket(socket, options)))
    })
  })

const bind = (options: UdpBindOptions = {}): Effect.Effect<UdpSocket, UdpBindError, Scope.Scope> =>
  // Binding a literal settles within a tick, so it is not worth interrupting: the socket always reaches its finalizer.
  Effect.acquireRelease(open(options), (socket) => Effect.sync(() => socket.close()))

export const nodeUdpPort: UdpPortShape = { bind, zoneName }

/**
 * `node:dgram` does not say what address a datagram was sent to, so a server bound to a wildcard has a socket for each of
 * `addresses`: those of the network interfaces when left out, looked up anew as they come and go. Name others yourself
 * that are this machine's without being an interface's (`127.0.0.2`, a prefix routed to it): what is asked there is
 * answered from where the system likes. Where ports cannot be shared (Windows, macOS) that goes for all.
 */
export const make = (addresses: () => ReadonlyArray<string> = interfaceAddresses): UdpPortShape =>
  MultihomedPort.make(nodeUdpPort, addresses)

export const layer: Layer.Layer<UdpPort> = Layer.succeed(UdpPort, make())
