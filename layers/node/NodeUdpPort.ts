/**
 * `UdpPort` on `node:dgram`.
 *
 * A datagram costs about 4 µs in each direction, 90 % of it in the kernel. Optimisations: addresses are literals and skip
 * the resolver, one callback is shared by all sends, and datagrams are written into a slab, because the kernel references
 * one until it is sent.
 */
import * as dgram from "node:dgram"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import {
  type EcnCodepoint,
  type ReceivedDatagram,
  type UdpBindOptions,
  type UdpBindError,
  type UdpCapabilities,
  UdpPort,
  type UdpPortShape,
  type UdpSocket
} from "../../src/capability/UdpPort.ts"
import { isWildcard } from "../../src/wire/destination.ts"
import { type SocketAddress, socketAddress } from "../../src/wire/SocketAddress.ts"
import { familyOf, mapped } from "../udp/hostLiteral.ts"
import * as MultihomedPort from "../udp/MultihomedPort.ts"
import { defaultReceiveQueueLength, ReceiveQueue } from "../../src/actor/ReceiveQueue.ts"
import { RemoteAddresses } from "../udp/RemoteAddresses.ts"
import { bindError, describeSendError, lastingErrors } from "../udp/systemErrors.ts"
import { UdpStatistics } from "../udp/UdpStatistics.ts"
import { interfaceAddresses, zoneName } from "./interfaces.ts"

const defaultKernelBufferBytes = 4 * 1024 * 1024
const slabBytes = 256 * 1024
/** The first slab of a socket, which may be that of a path that is hardly used. */
const firstSlabBytes = 8 * 1024
/** Maximum datagrams waiting for the kernel; further ones are dropped. */
const maxQueuedSends = 1024

/**
 * Datagrams are batched up to this number, or until `flush`. A first flight has two datagrams, and a process that has just
 * started takes a while to build the second; a server holding half a ClientHello meanwhile might send a Retry.
 */
const batchCount = 4
/** 65,535 minus the UDP header and, for IPv4, the IP header. */
const maxPayload = { 4: 65_507, 6: 65_527 } as const

/** A datagram in the slab not yet passed to the system. */
interface BatchedDatagram {
  readonly offset: number
  readonly length: number
  readonly port: number
  readonly host: string
}

/** Not a Buffer, whose `slice` is a view. */
const newSlab = (bytes: number): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)

/** Deno does not. */
const countsQueue = typeof dgram.Socket.prototype.getSendQueueCount === "function"

class NodeUdpSocket implements UdpSocket {
  readonly localAddress: SocketAddress
  readonly capabilities: UdpCapabilities
  readonly counters = new UdpStatistics()
  congested = false
  private readonly socket: dgram.Socket
  private readonly queue: ReceiveQueue
  private readonly remotes = new RemoteAddresses()
  /** The destination address of every received datagram; undefined if bound to a wildcard. */
  private readonly boundTo: SocketAddress | undefined
  buffer = newSlab(firstSlabBytes)
  private slabUsed = 0
  /** Sends whose callback is pending: sent by the kernel in this tick, or still queued. */
  private unconfirmed = 0
  private readonly batch: Array<BatchedDatagram> = []
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
    if (end - start > this.capabilities.maxDatagramSize) {
      this.counters.sendTooLarge++
      return
    }
    const offset = this.reserve(end - start)
    Buffer.prototype.copy.call(buffer, this.buffer, offset, start, end)
    this.commit(offset + (end - start), to)
  }

  reserve(maxBytes: number): number {
    if (this.unconfirmed === 0) this.slabUsed = 0
    if (this.slabUsed + maxBytes > this.buffer.length) {
      this.sendBatch()
      // The kernel may still reference the full slab; leave it to the garbage collector.
      const isReferenced = !this.closed && this.queuedBySystem > 0
      if (isReferenced || this.buffer.length < slabBytes) this.buffer = newSlab(slabBytes)
      this.slabUsed = 0
    }
    return this.slabUsed
  }

  commit(end: number, to: SocketAddress): void {
    const offset = this.slabUsed
    const length = end - offset
    if (length > this.capabilities.maxDatagramSize) {
      this.counters.sendTooLarge++
      return
    }
    // Includes sends of this tick, so query the system's queue only when there are many.
    if (
      this.closed ||
      (this.unconfirmed >= maxQueuedSends && this.queuedBySystem + this.batch.length >= maxQueuedSends)
    ) {
      this.counters.sendDropped++
      return
    }
    if (to.port < 1 || to.port > 65_535 || (to.family === 6 && this.localAddress.family === 4)) {
      this.counters.refused(`no such destination for this socket: ${to.host} port ${to.port}`, to, true)
      return
    }
    const host = to.family === 4 && this.localAddress.family === 6 ? mapped(to.host) : to.host
    this.slabUsed = end
    this.unconfirmed++
    this.batch.push({ offset, length, port: to.port, host })
    if (this.batch.length === batchCount) this.sendBatch()
  }

  onRefused(listener: Parameters<UdpSocket["onRefused"]>[0]): void {
    this.counters.onRefused(listener)
  }

  flush(): void {
    this.sendBatch()
    if (this.unconfirmed > 0 && !this.closed) this.congested = this.queuedBySystem > 0
  }

  close(): void {
    if (this.closed) return
    this.sendBatch()
    this.closed = true
    this.congested = false
    this.queue.close()
    this.socket.close()
  }

  /** Sends that the system has not taken yet; where they are not counted, those not confirmed stand for them. */
  private get queuedBySystem(): number {
    return countsQueue ? this.socket.getSendQueueCount() : this.unconfirmed - this.batch.length
  }

  private sendBatch(): void {
    const { batch, buffer, socket } = this
    for (const { offset, length, port, host } of batch)
      socket.send(buffer, offset, length, port, host, this.onSent)
    batch.length = 0
  }

  private readonly onSent = (error: NodeJS.ErrnoException | null): void => {
    this.unconfirmed--
    if (error === null) this.counters.sent++
    else this.countSendError(error)
    if (this.congested && !this.closed && this.queuedBySystem === 0) {
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
    const { code = "" } = error
    this.counters.refused(describeSendError(code, error.message), to, lastingErrors[code] !== undefined)
  }

  private readonly onMessage = (message: Buffer, remote: dgram.RemoteInfo): void => {
    // Port 0 cannot be replied to, and node:dgram throws on it. RFC 768
    if (this.closed || remote.port === 0) return
    // A Buffer's `slice` is a view, unlike a Uint8Array's, so Buffers must not reach the core.
    const bytes = new Uint8Array(message.buffer as ArrayBuffer, message.byteOffset, message.length)
    if (this.queue.push(bytes, this.remotes.intern(remote.address, remote.port), this.boundTo, 0)) {
      this.counters.received++
    } else {
      this.counters.receiveDropped++
    }
  }

  /** ICMP and similar errors concern one destination; the socket remains usable. */
  private readonly onSocketError = (error: Error): void => {
    this.counters.socketErrors++
    this.counters.lastError = error.message
  }
}

/** Properties that node:dgram adds to send errors. */
type SendError = NodeJS.ErrnoException & { readonly address?: string; readonly port?: number }

/** Destinations are literals, so resolve synchronously and avoid a tick per send. */
const literalLookup: dgram.SocketOptions["lookup"] = (host, _options, callback) =>
  callback(null, host, familyOf(host))

const open = (options: UdpBindOptions): Effect.Effect<NodeUdpSocket, UdpBindError> =>
  Effect.callback((resume) => {
    const host = options.host ?? "0.0.0.0"
    const port = options.port ?? 0
    const wanted = socketAddress(host, port, zoneName)
    if (wanted === undefined || !Number.isInteger(port) || port < 0 || port > 65_535) {
      return resume(Effect.fail(bindError(host, port, "InvalidAddress", "rejected before binding")))
    }
    const socket = dgram.createSocket({
      type: wanted.family === 6 ? "udp6" : "udp4",
      ipv6Only: options.ipv6Only ?? false,
      reusePort: options.reusePort ?? false,
      lookup: literalLookup
    })
    const refused = (error: NodeJS.ErrnoException): void => {
      socket.close()
      resume(Effect.fail(bindError(host, port, error.code ?? "", error.message)))
    }
    socket.once("error", refused)
    socket.bind({ address: wanted.host, port, exclusive: true }, () => {
      socket.off("error", refused)
      // Linux silently caps the size; where the system rejects it, keep the default.
      try {
        socket.setRecvBufferSize(options.receiveBufferBytes ?? defaultKernelBufferBytes)
        socket.setSendBufferSize(options.sendBufferBytes ?? defaultKernelBufferBytes)
      } catch {}
      resume(Effect.succeed(new NodeUdpSocket(socket, options)))
    })
  })

const bind = (options: UdpBindOptions = {}): Effect.Effect<UdpSocket, UdpBindError, Scope.Scope> =>
  // Binding a literal completes within a tick, so it is uninterruptible and the socket always gets its finalizer.
  Effect.acquireRelease(open(options), (socket) => Effect.sync(() => socket.close()))

/**
 * A port on `node:dgram`, for code outside Effect. Ignores `multihomed`.
 *
 * @category implementations
 * @since 0.1.0
 */
export const nodeUdpPort: UdpPortShape = { bind, zoneName }

/**
 * A port whose servers reply from the address a client used.
 *
 * **Details**
 *
 * `node:dgram` does not report the destination address of a datagram, so a server bound to a wildcard has a socket for
 * each of `addresses`, by default the current addresses of the network interfaces. Add addresses of this machine that
 * belong to no interface (`127.0.0.2`, a prefix routed to it); otherwise the system selects the source address of
 * replies. Where ports cannot be shared (Windows, macOS), it does so for all addresses.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (addresses: () => ReadonlyArray<string> = interfaceAddresses): UdpPortShape =>
  MultihomedPort.make(nodeUdpPort, addresses)

/**
 * Provides `UdpPort` on `node:dgram`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<UdpPort> = Layer.succeed(UdpPort, make())
