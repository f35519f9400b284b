/** Addresses as the system writes them (`sockaddr`), and as the transport does. */
import { formatIp, isLinkLocalIpv6, parseIp } from "../../../src/wire/ipAddress.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import { RemoteAddresses } from "../../udp/RemoteAddresses.ts"
import type { Native, Pinned } from "../native.ts"
import { AF_INET, AF_INET6, type SocketCalls } from "./socketCalls.ts"

const IPV4_BYTES = 16
const IPV6_BYTES = 28
/** Offsets in a `sockaddr_in6`; the port is in the same place in a `sockaddr_in`. */
const PORT = 2
const IPV4 = 4
const IPV6 = 8
const SCOPE = 24
/** Longest name of an interface, with its terminating zero. */
const NAME_BYTES = 16

/** The interfaces by number and by name, as far as they have been asked for. */
export class Zones {
  private readonly calls: SocketCalls
  private readonly text: Pinned

  constructor(native: Native, calls: SocketCalls) {
    this.calls = calls
    this.text = native.pin(NAME_BYTES)
  }

  /** The number of an interface; 0 if there is none of this name or number. */
  indexOf(zone: string): number {
    if (/^\d+$/.test(zone)) return Number(zone) > 0xffff_ffff ? 0 : Number(zone)
    const { bytes, pointer } = this.text
    bytes.fill(0)
    const { read, written } = new TextEncoder().encodeInto(zone, bytes.subarray(0, NAME_BYTES - 1))
    return read < zone.length || written === 0 ? 0 : this.calls.if_nametoindex(pointer)
  }

  nameOf(index: number): string {
    const { bytes, pointer } = this.text
    if (this.calls.if_indextoname(BigInt(index), pointer) === 0n) return String(index)
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)))
  }
}

/** The names of one socket, which writes IPv4 addresses as IPv6 ones if it takes both. */
export class SocketNames {
  private readonly zones: Zones
  private readonly family: 4 | 6
  private readonly encoded = new WeakMap<SocketAddress, Uint8Array>()
  private readonly remotes = new RemoteAddresses()
  /** The last name decoded, as words, and what it means: datagrams come in bursts. */
  private readonly lastWords = new Uint32Array(IPV6_BYTES / 4)
  private last: SocketAddress | undefined = undefined

  constructor(zones: Zones, family: 4 | 6) {
    this.zones = zones
    this.family = family
  }

  /** The `sockaddr` of an address; undefined if this socket cannot have one like it. */
  encode(address: SocketAddress): Uint8Array | undefined {
    const known = this.encoded.get(address)
    if (known !== undefined) return known
    const name = this.write(address)
    if (name !== undefined) this.encoded.set(address, name)
    return name
  }

  /** The address in a `sockaddr` that the system has written; the same object as the last time. */
  decode({ bytes, view }: Pinned): SocketAddress | undefined {
    const isLast = this.isLast(view)
    if (isLast && this.last !== undefined) return this.last
    const port = view.getUint16(PORT)
    const family = view.getUint16(0, true)
    // port 0 cannot be answered. RFC 768
    if (port === 0 || (family !== AF_INET && family !== AF_INET6)) return (this.last = undefined)
    const host =
      family === AF_INET ? dotted(bytes, IPV4) : this.hostOf(bytes, IPV6, view.getUint32(SCOPE, true))
    return (this.last = this.remotes.intern(host, port))
  }

  /** The text of the 16 bytes at `at`. */
  hostOf(bytes: Uint8Array, at: number, scope: number): string {
    if (isMapped(bytes, at)) return dotted(bytes, at + 12)
    const ip = bytes.subarray(at, at + 16)
    const host = formatIp(ip)
    return scope !== 0 && isLinkLocalIpv6(ip) ? `${host}%${this.zones.nameOf(scope)}` : host
  }

  private isLast(view: DataView): boolean {
    const { lastWords } = this
    let same = true
    for (let i = 0; i < lastWords.length; i++) {
      const word = view.getUint32(4 * i, true)
      if (lastWords[i] !== word) {
        lastWords[i] = word
        same = false
      }
    }
    return same
  }

  private write({ host, port, family }: SocketAddress): Uint8Array | undefined {
    const ip = parseIp(host)
    if (ip === undefined || ip.bytes.length !== (family === 4 ? 4 : 16)) return undefined
    if (!(port >= 0 && port <= 65_535) || (family === 6 && this.family === 4)) return undefined
    const name = new Uint8Array(this.family === 4 ? IPV4_BYTES : IPV6_BYTES)
    const view = new DataView(name.buffer)
    view.setUint16(0, this.family === 4 ? AF_INET : AF_INET6, true)
    view.setUint16(PORT, port)
    if (this.family === 4) name.set(ip.bytes, IPV4)
    else if (family === 4) name.set([0xff, 0xff, ...ip.bytes], IPV6 + 10)
    else name.set(ip.bytes, IPV6)
    if (ip.zone !== undefined) view.setUint32(SCOPE, this.zones.indexOf(ip.zone), true)
    return name
  }
}

const dotted = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`

/** An IPv4 address in an IPv6 one. RFC 4291 §2.5.5.2 */
const isMapped = (bytes: Uint8Array, at: number): boolean => {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff
}
