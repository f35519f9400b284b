/**
 * `UdpPort` on any Effect `DatagramSocket`, for runtimes without a port of their own.
 *
 * One fiber reads incoming datagrams; outgoing ones are collected until `flush` and sent in one `writeAll`. Slower than a
 * native port, as every datagram and every address is allocated twice.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as DatagramSocket from "effect/socket/DatagramSocket"
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
import { Draft } from "./Draft.ts"
import { familyOf, mapped } from "./hostLiteral.ts"
import { defaultReceiveQueueLength, ReceiveQueue } from "../../src/actor/ReceiveQueue.ts"
import { RemoteAddresses } from "./RemoteAddresses.ts"
import { UdpStatistics } from "./UdpStatistics.ts"

const maxDatagramSize = 65_507
/** Datagrams queued behind a pending write at which the socket reports congestion, and at which it drops. */
const congestedAt = 256
const maxQueued = 1024

type WriteExit = Exit.Exit<void, DatagramSocket.DatagramSocketError>

class AdaptedSocket implements UdpSocket {
  readonly localAddress: SocketAddress
  readonly capabilities: UdpCapabilities = { ecn: false, dontFragment: false, maxDatagramSize }
  readonly counters = new UdpStatistics()
  congested = false
  private readonly queue: ReceiveQueue
  private readonly draft = new Draft()
  private readonly remotes = new RemoteAddresses()
  private readonly boundTo: SocketAddress | undefined
  private readonly write: (
    batch: ReadonlyArray<DatagramSocket.OutgoingDatagram>
  ) => Fiber.Fiber<void, DatagramSocket.DatagramSocketError>
  private readonly destinations = new WeakMap<SocketAddress, NetAddress.InetAddress>()
  private queued: Array<DatagramSocket.OutgoingDatagram> = []
  private writing: Fiber.Fiber<void, DatagramSocket.DatagramSocketError> | undefined = undefined
  private closed = false

  constructor(
    bound: NetAddress.InetAddress,
    receiveQueueLength: number,
    write: (
      batch: ReadonlyArray<DatagramSocket.OutgoingDatagram>
    ) => Fiber.Fiber<void, DatagramSocket.DatagramSocketError>
  ) {
    const host = NetAddress.formatHost(bound)
    this.localAddress = { host, port: bound.port, family: familyOf(host) }
    this.boundTo = isWildcard(host) ? undefined : this.localAddress
    this.queue = new ReceiveQueue(receiveQueueLength)
    this.write = write
  }

  onReadable(wake: () => void): void {
    this.queue.onReadable(wake)
  }

  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    return this.queue.drain(max, handle)
  }

  send(buffer: Uint8Array, start: number, end: number, to: SocketAddress, _ecn: EcnCodepoint): void {
    if (end - start > maxDatagramSize) {
      this.counters.sendTooLarge++
      return
    }
    if (this.queued.length === maxQueued) this.flush()
    if (this.closed || this.queued.length === maxQueued) {
      this.counters.sendDropped++
      return
    }
    const address = this.destination(to)
    if (address === undefined) {
      this.counters.refused(`no such destination for this socket: ${to.host} port ${to.port}`, to, true)
      return
    }
    this.queued.push({ payload: Uint8Array.prototype.slice.call(buffer, start, end), address })
  }

  get buffer(): Uint8Array {
    return this.draft.bytes
  }

  reserve(maxBytes: number): number {
    return this.draft.reserve(maxBytes)
  }

  commit(end: number, to: SocketAddress, ecn: EcnCodepoint): void {
    this.send(this.buffer, 0, end, to, ecn)
  }

  onRefused(listener: Parameters<UdpSocket["onRefused"]>[0]): void {
    this.counters.onRefused(listener)
  }

  flush(): void {
    if (this.writing !== undefined) {
      this.congested = this.queued.length >= congestedAt
      return
    }
    const batch = this.queued
    if (batch.length === 0 || this.closed) return
    this.queued = []
    const fiber = this.write(batch)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) {
      this.count(batch.length, exit)
      return
    }
    this.writing = fiber
    fiber.addObserver((exit) => {
      this.writing = undefined
      this.count(batch.length, exit)
      this.flush()
      if (!this.congested) return
      this.congested = false
      this.queue.wake()
    })
  }

  receive(batch: ReadonlyArray<DatagramSocket.Datagram>): void {
    for (const { address, payload } of batch) {
      // Port 0 cannot be replied to. RFC 768
      if (address.port === 0) continue
      const from = this.remotes.intern(NetAddress.formatHost(address), address.port)
      // Runtimes may return subclasses whose `slice` is a view, which must not reach the core.
      const bytes = new Uint8Array(payload.buffer as ArrayBuffer, payload.byteOffset, payload.length)
      if (this.queue.push(bytes, from, this.boundTo, 0)) this.counters.received++
      else this.counters.receiveDropped++
    }
  }

  onReadError(error: DatagramSocket.DatagramSocketError): void {
    this.counters.socketErrors++
    this.counters.lastError = error.message
  }

  close(): void {
    this.closed = true
    this.congested = false
    this.queued = []
    this.queue.close()
    this.writing?.interruptUnsafe()
  }

  private destination(to: SocketAddress): NetAddress.InetAddress | undefined {
    const known = this.destinations.get(to)
    if (known !== undefined) return known
    if (to.port < 1 || (to.family === 6 && this.localAddress.family === 4)) return undefined
    const host = to.family === 4 && this.localAddress.family === 6 ? mapped(to.host) : to.host
    const address = NetAddress.inetAddressFromIpString(host, to.port)
    if (Result.isFailure(address)) return undefined
    this.destinations.set(to, address.success)
    return address.success
  }

  /** A batch reports only its first failure; the rest was sent. */
  private count(length: number, exit: WriteExit): void {
    if (exit._tag === "Success") {
      this.counters.sent += length
      return
    }
    this.counters.sent += length - 1
    const error = Cause.squash(exit.cause)
    const reason =
      DatagramSocket.isDatagramSocketError(error) && error.reason._tag === "DatagramSocketWriteError"
        ? error.reason
        : undefined
    if (reason?.kind === "MessageTooLarge") {
      this.counters.sendTooLarge++
      this.counters.lastError = String(error)
      return
    }
    const { address, kind } = reason ?? {}
    const to = address && socketAddress(NetAddress.formatHost(address), address.port)
    this.counters.refused(String(error), to, kind === "Unreachable" || kind === "PermissionDenied")
  }
}

const bindError = (options: UdpBindOptions, error: DatagramSocket.DatagramSocketError): UdpBindError => {
  const reason = error.reason._tag === "DatagramSocketOpenError" ? error.reason.kind : "Unknown"
  const host = options.host ?? "0.0.0.0"
  const port = options.port ?? 0
  return new UdpBindError({
    reason,
    host,
    port,
    message: `Cannot open a DatagramSocket for ${host} port ${port}: ${error.message}`
  })
}

const adapt = Effect.fnUntraced(function* (socket: DatagramSocket.DatagramSocket, options: UdpBindOptions) {
  const reader = yield* Effect.mapError(socket.reader, (error) => bindError(options, error))
  const writer = yield* socket.writer
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const adapted = new AdaptedSocket(
    reader.address,
    options.receiveQueueLength ?? defaultReceiveQueueLength,
    (batch) => runFork(writer.writeAll(batch as [DatagramSocket.OutgoingDatagram]))
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => adapted.close()))
  yield* reader.pull.pipe(
    Effect.map((batch) => adapted.receive(batch)),
    Effect.forever,
    Effect.catch((error) => Effect.sync(() => adapted.onReadError(error))),
    Effect.forkScoped({ startImmediately: true })
  )
  return adapted as UdpSocket
})

/**
 * A port whose sockets are opened by `open`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  open: (options: UdpBindOptions) => Effect.Effect<DatagramSocket.DatagramSocket>
): UdpPortShape => ({
  bind: (options = {}): Effect.Effect<UdpSocket, UdpBindError, Scope.Scope> =>
    Effect.flatMap(open(options), (socket) => adapt(socket, options))
})

/**
 * Provides a port with a single socket, the `DatagramSocket` of the context.
 *
 * **Details**
 *
 * The socket keeps its own address regardless of the `bind` options, and can be bound again only after the scope of the
 * previous `bind` closes; until then `bind` fails with `UdpBindError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<UdpPort, never, DatagramSocket.DatagramSocket> = Layer.effect(
  UdpPort,
  Effect.map(DatagramSocket.DatagramSocket, (socket) => {
    let isBound = false
    const taken = (options: UdpBindOptions): UdpBindError =>
      new UdpBindError({
        reason: "AddressInUse",
        host: options.host ?? "0.0.0.0",
        port: options.port ?? 0,
        message: "The only DatagramSocket of this UdpPort is already bound"
      })
    const claim = (options: UdpBindOptions): Effect.Effect<void, UdpBindError> =>
      Effect.suspend(() => {
        if (isBound) return Effect.fail(taken(options))
        isBound = true
        return Effect.void
      })
    const release = Effect.sync(() => {
      isBound = false
    })
    return UdpPort.of({
      bind: (options = {}) =>
        Effect.acquireRelease(claim(options), () => release).pipe(Effect.andThen(adapt(socket, options)))
    })
  })
)
