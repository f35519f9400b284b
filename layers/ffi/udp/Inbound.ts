/** Receives bursts: datagrams of one sender that the system has put together, in one piece of memory. */
import type { EcnCodepoint, ReceivedDatagram } from "../../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { Native } from "../native.ts"
import { MEMORY_BYTES, type Memories, type Memory } from "./Memories.ts"
import { Message } from "./Message.ts"
import {
  IP_PKTINFO,
  IP_TOS,
  IPV6_PKTINFO,
  IPV6_TCLASS,
  type SocketCalls,
  SOL_IP,
  SOL_IPV6,
  SOL_UDP,
  UDP_GRO
} from "./socketCalls.ts"
import type { SocketNames } from "./SocketNames.ts"

/** The record that is lent with each datagram. */
class LentDatagram implements ReceivedDatagram {
  bytes: Uint8Array = new Uint8Array(0)
  from: SocketAddress
  to: SocketAddress | undefined
  ecn: EcnCodepoint = 0

  constructor(local: SocketAddress) {
    this.from = local
    this.to = local
  }
}

export class Inbound {
  /** Datagrams of the burst that have not been taken. */
  left = 0
  private readonly calls: SocketCalls
  private readonly fd: bigint
  private readonly memories: Memories
  private readonly names: SocketNames
  private readonly local: SocketAddress
  /** What every datagram was sent to; undefined if the datagrams say, or nobody does. */
  private readonly boundTo: SocketAddress | undefined
  private readonly message: Message
  private readonly datagram: LentDatagram
  /** The addresses a wildcard socket was asked at, by host. */
  private readonly locals = new Map<string, SocketAddress>()
  private memory: Memory | undefined = undefined
  private bytes = 0
  private size = 0
  private index = 0

  constructor(
    native: Native,
    calls: SocketCalls,
    fd: bigint,
    memories: Memories,
    names: SocketNames,
    local: SocketAddress,
    boundTo: SocketAddress | undefined
  ) {
    this.calls = calls
    this.fd = fd
    this.memories = memories
    this.names = names
    this.local = local
    this.boundTo = boundTo
    this.message = new Message(native)
    this.datagram = new LentDatagram(local)
  }

  /** Receives the next burst, which may be empty; false if the call failed. */
  read(): boolean {
    const { message } = this
    const memory = (this.memory ??= this.memories.take())
    message.setPayload(memory.pinned, 0)
    message.expect()
    const received = this.calls.recvmsg(this.fd, message.pointer, 0n)
    if (received < 0) return false
    const from = this.names.decode(message.name)
    // never, as the memory holds any datagram and any burst
    if (from === undefined || message.isTruncated || received > MEMORY_BYTES) return true
    this.bytes = received
    this.size = received
    this.index = 0
    this.datagram.from = from
    this.datagram.to = this.boundTo
    this.datagram.ecn = 0
    this.readControl()
    this.left = received === 0 ? 1 : Math.ceil(received / this.size)
    return true
  }

  /** The next datagram of the burst, lent until the next call. */
  take(): ReceivedDatagram {
    const { datagram, size, index } = this
    this.left--
    this.index++
    datagram.bytes = this.memory!.view(index, size, Math.min(size, this.bytes - index * size))
    return datagram
  }

  /** Gives the memory back once the burst has been taken. */
  release(): void {
    if (this.left > 0 || this.memory === undefined) return
    this.memories.give(this.memory)
    this.memory = undefined
  }

  private readControl(): void {
    const { message, datagram } = this
    const { view, bytes } = message.control
    message.rewind()
    while (message.nextControl()) {
      const { level, type, data, dataBytes } = message
      if (level === SOL_UDP && type === UDP_GRO && dataBytes >= 4) {
        const size = view.getInt32(data, true)
        if (size > 0) this.size = Math.min(size, this.bytes)
      } else if ((level === SOL_IP && type === IP_TOS) || (level === SOL_IPV6 && type === IPV6_TCLASS)) {
        datagram.ecn = (bytes[data] & 3) as EcnCodepoint
      } else if (level === SOL_IP && type === IP_PKTINFO && dataBytes >= 12) {
        // the address to answer from, after the interface
        const at = data + 4
        datagram.to = this.localAt(`${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`)
      } else if (level === SOL_IPV6 && type === IPV6_PKTINFO && dataBytes >= 20) {
        datagram.to = this.localAt(this.names.hostOf(bytes, data, view.getUint32(data + 16, true)))
      }
    }
  }

  private localAt(host: string): SocketAddress {
    const known = this.locals.get(host)
    if (known !== undefined) return known
    const address: SocketAddress = { host, port: this.local.port, family: host.includes(":") ? 6 : 4 }
    // whole prefixes can belong to one machine
    if (this.locals.size >= MAX_LOCALS) this.locals.clear()
    this.locals.set(host, address)
    return address
  }
}

const MAX_LOCALS = 1024
