import type {
  EcnCodepoint,
  ReceivedDatagram,
  UdpBindOptions,
  UdpCapabilities,
  UdpSocket
} from "../../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import { isWildcard } from "../../../src/wire/destination.ts"
import { defaultReceiveQueueLength, ReceiveQueue } from "../../../src/actor/ReceiveQueue.ts"
import { UdpStatistics } from "../../udp/UdpStatistics.ts"
import type { Native } from "../native.ts"
import { ErrorQueue } from "./ErrorQueue.ts"
import { Inbound } from "./Inbound.ts"
import type { Memories } from "./Memories.ts"
import { Openings } from "./Openings.ts"
import { Outbox } from "./Outbox.ts"
import type { Watch } from "./Readiness.ts"
import { EAGAIN, type SocketCalls } from "./socketCalls.ts"
import type { SocketNames } from "./SocketNames.ts"
import { TrainSender } from "./TrainSender.ts"

/** 65,535 minus the UDP header and, for IPv4, the IP header. */
const maxPayload = { 4: 65_507, 6: 65_527 } as const
/** Iterations of the loop in which the owner may read; then the socket is emptied into a queue, or the loop would spin. */
const PATIENCE = 4
/**
 * The owner of a socket with fewer datagrams than that at a time reads at once; that of a busy one reads an iteration of
 * the loop later, and so more of them in one go.
 */
const SPARSE = 8
/** Errors reported instead of datagrams, in one go. */
const MAX_ERRORS = 16

const noWake = (): void => {}

/** What sockets of one thread share. */
export interface SocketContext {
  readonly native: Native
  readonly calls: SocketCalls
  readonly memories: Memories
}

/**
 * A socket that is read when its owner drains it: the system's buffer is the queue. Only an owner that does not read makes
 * it copy datagrams into a queue of its own.
 */
export class FfiUdpSocket implements UdpSocket {
  readonly fd: number
  readonly localAddress: SocketAddress
  readonly capabilities: UdpCapabilities
  readonly counters = new UdpStatistics()
  private readonly native: Native
  private readonly inbound: Inbound
  private readonly outbox: Outbox
  private readonly errors: ErrorQueue
  private readonly queue: ReceiveQueue
  private watch: Watch | undefined = undefined
  /** The owner has read everything, and is woken by the next datagram. */
  private isArmed = true
  /** Iterations of the loop since the owner has read. */
  private unread = 0
  /** The owner has last read few datagrams. */
  private isSparse = true
  private isClosed = false
  private wakeOwner: (atOnce?: boolean) => void = noWake

  constructor(
    { native, calls, memories }: SocketContext,
    fd: number,
    names: SocketNames,
    local: SocketAddress,
    options: UdpBindOptions
  ) {
    const { counters } = this
    const { family } = local
    const handle = BigInt(fd)
    const openings = new Openings()
    this.fd = fd
    this.native = native
    this.localAddress = local
    this.capabilities = { ecn: true, dontFragment: true, maxDatagramSize: maxPayload[family] }
    this.queue = new ReceiveQueue(options.receiveQueueLength ?? defaultReceiveQueueLength)
    this.errors = new ErrorQueue(native, calls, handle, names, openings, counters)
    const boundTo = isWildcard(local.host) ? undefined : local
    this.inbound = new Inbound(native, calls, handle, memories, names, local, boundTo)
    const sender = new TrainSender(native, calls, handle, family, names, this.errors, counters)
    this.outbox = new Outbox(memories, names, sender, openings, counters, maxPayload[family], () =>
      this.watch?.start(true)
    )
  }

  /** Reads errors and datagrams when `watch` says so. */
  watchedBy(watch: Watch): void {
    this.watch = watch
  }

  get buffer(): Uint8Array {
    return this.outbox.buffer
  }

  get congested(): boolean {
    return this.outbox.congested
  }

  onReadable(wake: (atOnce?: boolean) => void): void {
    if (this.isClosed) return
    this.wakeOwner = wake
    if (!this.isArmed) wake()
  }

  onRefused(listener: Parameters<UdpSocket["onRefused"]>[0]): void {
    this.counters.onRefused(listener)
  }

  /** The rest of the last burst first, then what was queued, then what the system has. */
  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    const { inbound, queue, counters } = this
    let taken = 0
    let skipped = 0
    this.unread = 0
    while (taken < max && !this.isClosed) {
      if (inbound.left > 0) {
        taken++
        counters.received++
        handle(inbound.take())
      } else if (queue.length > 0) taken += queue.drain(max - taken, handle)
      // what nobody can answer is skipped; a flood of it must not keep the loop here
      else if (taken + skipped >= max || !this.receive()) {
        this.isArmed = true
        break
      } else if (inbound.left === 0) skipped++
    }
    inbound.release()
    if (taken > 0) this.isSparse = taken < SPARSE
    return taken
  }

  send(
    buffer: Uint8Array,
    start: number,
    end: number,
    to: SocketAddress,
    ecn: EcnCodepoint,
    from?: SocketAddress
  ): void {
    const length = end - start
    if (length > this.capabilities.maxDatagramSize) {
      this.counters.sendTooLarge++
      return
    }
    if (!(start >= 0 && start <= end && end <= buffer.length)) {
      // what lies behind `buffer` is not the caller's to send
      this.counters.refused(`no bytes from ${start} to ${end}`, to, false)
      return
    }
    const room = this.outbox.reserve(length)
    const own = this.outbox.buffer
    if (start === 0 && end === buffer.length) own.set(buffer, room)
    else own.set(buffer.subarray(start, end), room)
    this.outbox.commit(room + length, to, ecn, from)
  }

  reserve(maxBytes: number): number {
    return this.outbox.reserve(maxBytes)
  }

  commit(end: number, to: SocketAddress, ecn: EcnCodepoint, from?: SocketAddress): void {
    this.outbox.commit(end, to, ecn, from)
  }

  flush(): void {
    this.outbox.flush()
  }

  /** Called in each iteration of the loop in which there is something to read, or room that was awaited. */
  onReady(): void {
    if (this.isClosed) return
    // datagrams, if there are any too, make the next iteration call this again
    if (this.outbox.congested && this.resume()) return
    if (this.isArmed) {
      this.isArmed = false
      this.unread = 0
      this.wakeOwner(this.isSparse)
    } else if (++this.unread >= PATIENCE) this.receiveIntoQueue()
  }

  close(): void {
    if (this.isClosed) return
    this.outbox.close()
    this.isClosed = true
    this.wakeOwner = noWake
    this.queue.close()
    this.inbound.left = 0
    this.inbound.release()
    this.watch?.close()
  }

  /** Sends what waits for room; true if there was any. */
  private resume(): boolean {
    const hasSent = this.outbox.resume()
    if (!this.outbox.congested) {
      this.watch?.start(false)
      this.wakeOwner()
    }
    return hasSent
  }

  /** Receives the next burst; false if there is none. */
  private receive(): boolean {
    for (let i = 0; i < MAX_ERRORS; i++) {
      if (this.inbound.read()) return true
      if (this.native.errno === EAGAIN) return false
      this.errors.read()
    }
    return false
  }

  private receiveIntoQueue(): void {
    const { inbound, queue, counters } = this
    // what is dropped makes no room, so a flood cannot keep this going
    for (let more = Math.max(1, queue.capacity); more > 0; more--) {
      while (inbound.left > 0) {
        const { bytes, from, to, ecn } = inbound.take()
        if (queue.push(bytes.slice(), from, to, ecn)) counters.received++
        else counters.receiveDropped++
      }
      if (!this.receive()) break
    }
    inbound.release()
  }
}
