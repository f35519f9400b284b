/** Interns remote addresses, so that they can be compared by reference. */
import { type SocketAddress, socketAddress } from "../../src/wire/SocketAddress.ts"
import { familyOf } from "./hostLiteral.ts"

/** Addresses per generation; between this many and twice as many remotes are remembered. */
const generationSize = 1024

type Generation = Map<string, Map<number, SocketAddress>>

/**
 * Two generations bound the memory under a flood of spoofed sources: when the young generation is full it replaces the
 * old one, which is dropped; remotes still in use move to the young generation.
 */
export class RemoteAddresses {
  private young: Generation = new Map()
  private old: Generation = new Map()
  private size = 0
  private lastHost = ""
  private lastPort = 0
  private last: SocketAddress = { host: "", port: 0, family: 4 }

  /** `host` is as formatted by the system; an IPv4-mapped IPv6 address is converted to IPv4. */
  intern(host: string, port: number): SocketAddress {
    if (this.lastPort === port && this.lastHost === host) return this.last
    this.lastHost = host
    this.lastPort = port
    this.last = this.young.get(host)?.get(port) ?? this.remember(host, port)
    return this.last
  }

  private remember(host: string, port: number): SocketAddress {
    if (this.size === generationSize) {
      this.old = this.young
      this.young = new Map()
      this.size = 0
    }
    const address = this.old.get(host)?.get(port) ?? addressOf(host, port)
    const ports = this.young.get(host)
    if (ports === undefined) this.young.set(host, new Map([[port, address]]))
    else ports.set(port, address)
    this.size++
    return address
  }
}

const addressOf = (systemHost: string, port: number): SocketAddress =>
  socketAddress(systemHost, port) ?? { host: systemHost, port, family: familyOf(systemHost) }
