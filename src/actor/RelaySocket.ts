/**
 * The relays of an endpoint as one socket: its remotes are the addresses that `RelayAddresses` makes up.
 *
 * What cannot be sent is dropped and counted, as by a network: while the link to a relay is down, and when one of several
 * is slower than the others. A link that is the only one, and slow, holds its connections back.
 */
import type { RelayLink } from "../capability/RelayPort.ts"
import type {
  EcnCodepoint,
  ReceivedDatagram,
  UdpCapabilities,
  UdpCounters,
  UdpSocket
} from "../capability/UdpPort.ts"
import type { RelayAddresses } from "../relay/RelayAddresses.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { ReceiveQueue } from "./ReceiveQueue.ts"

/** As many as a relay queues for a client. */
const QUEUE_LENGTH = 512

/** A relay takes frames of up to 64 KiB; with what it adds, this fits. */
const MAX_DATAGRAM_BYTES = 65_000

/** A relay as its socket sees it. */
export interface RelayCarrier {
  readonly url: string
  /** While there is one. */
  readonly link: RelayLink | undefined
}

type OnRefused = Parameters<UdpSocket["onRefused"]>[0]

export class RelaySocket<Relay extends RelayCarrier> implements UdpSocket {
  readonly addresses: RelayAddresses<Relay>
  // the relays carry the bits unchanged, and what they carry is a stream
  readonly capabilities: UdpCapabilities = {
    ecn: true,
    dontFragment: true,
    maxDatagramSize: MAX_DATAGRAM_BYTES
  }
  readonly counters = new RelayCounters()
  buffer = new Uint8Array(2048)
  private readonly queue = new ReceiveQueue(QUEUE_LENGTH)
  private readonly relays = new Set<Relay>()
  private refused: OnRefused = () => {}

  constructor(addresses: RelayAddresses<Relay>) {
    this.addresses = addresses
  }

  get localAddress(): SocketAddress {
    return this.addresses.local
  }

  /** The relay has a link: datagrams come from there now. */
  attach(relay: Relay, link: RelayLink): void {
    const { addresses, queue, counters, relays } = this
    relays.add(relay)
    link.listen({
      onDatagram: (from, ecn, bytes) => {
        // lent to us, and to be decrypted in place
        const isTaken = queue.push(new Uint8Array(bytes), addresses.of(relay, from), undefined, ecn)
        if (isTaken) counters.received++
        else counters.receiveDropped++
      },
      onGone: (key) => this.refused(addresses.of(relay, key), `it has left ${relay.url}`, false),
      onWritable: () => queue.wake()
    })
    // connections may have been held back by the others
    queue.wake()
  }

  /** Its link has ended. */
  detach(relay: Relay): void {
    this.relays.delete(relay)
    this.queue.wake()
  }

  onReadable(wake: () => void): void {
    this.queue.onReadable(wake)
  }

  drain(max: number, handle: (datagram: ReceivedDatagram) => void): number {
    return this.queue.drain(max, handle)
  }

  send(buffer: Uint8Array, start: number, end: number, to: SocketAddress, ecn: EcnCodepoint): void {
    const { counters } = this
    if (end - start > MAX_DATAGRAM_BYTES) {
      counters.sendTooLarge++
      return
    }
    const peer = this.addresses.peerAt(to)
    const link = peer?.relay.link
    if (peer === undefined || link === undefined) {
      counters.sendDropped++
      return
    }
    link.send(peer.key, ecn, buffer, start, end)
    counters.sent++
  }

  reserve(maxBytes: number): number {
    if (this.buffer.length < maxBytes) this.buffer = new Uint8Array(maxBytes)
    return 0
  }

  commit(end: number, to: SocketAddress, ecn: EcnCodepoint): void {
    this.send(this.buffer, 0, end, to, ecn)
  }

  onRefused(listener: OnRefused): void {
    this.refused = listener
  }

  flush(): void {}

  get congested(): boolean {
    if (this.relays.size === 0) return false
    for (const { link } of this.relays) if (link?.congested !== true) return false
    return true
  }

  /** Drops what has not been read. */
  close(): void {
    this.queue.close()
    this.relays.clear()
  }
}

class RelayCounters implements UdpCounters {
  sent = 0
  received = 0
  receiveDropped = 0
  sendDropped = 0
  sendTooLarge = 0
  readonly sendErrors = 0
  readonly socketErrors = 0
  lastError: string | undefined = undefined
}
