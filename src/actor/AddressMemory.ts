import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"

/** Names remembered by an endpoint; the one used least recently is forgotten first. */
const CAPACITY = 256

/** Which address of a name answered last, so that it is tried first the next time. */
export class AddressMemory {
  private readonly last = new Map<string, string>()

  get size(): number {
    return this.last.size
  }

  has(server: string, address: SocketAddress): boolean {
    return this.last.get(server) === formatAddress(address)
  }

  remember(server: string, address: SocketAddress): void {
    this.recall(server, formatAddress(address))
  }

  /** Remembers the address that another process has learned, as `formatAddress` writes it. */
  recall(server: string, address: string): void {
    this.last.delete(server)
    this.last.set(server, address)
    if (this.last.size > CAPACITY) for (const oldest of this.last.keys()) return void this.last.delete(oldest)
  }

  /** It does not answer any more. */
  forget(server: string, address: SocketAddress): void {
    if (this.has(server, address)) this.last.delete(server)
  }

  /** The addresses with the one that answered last in front. */
  bestFirst<A extends ReadonlyArray<SocketAddress>>(server: string, addresses: A): A {
    const at = addresses.findIndex((each) => this.has(server, each))
    if (at < 1) return addresses
    return [addresses[at], ...addresses.slice(0, at), ...addresses.slice(at + 1)] as never
  }
}
