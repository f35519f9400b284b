import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { TraversalPort } from "./TraversalPort.ts"

/** The server's side of ADD_ADDRESS and REMOVE_ADDRESS: what is advertised is kept as `wanted`. */
export class Advertisements {
  private readonly seqs = new Map<string, number>()

  /** Withdraws before it advertises, as the peer takes no more than so many. */
  sync(port: Pick<TraversalPort, "advertise" | "withdraw">, wanted: ReadonlyArray<SocketAddress>): void {
    const texts = new Set(wanted.map(formatAddress))
    for (const [text, seq] of [...this.seqs]) {
      if (texts.has(text)) continue
      port.withdraw(seq)
      this.seqs.delete(text)
    }
    for (const address of wanted) {
      const text = formatAddress(address)
      if (this.seqs.has(text)) continue
      const seq = port.advertise(address)
      if (seq === undefined) return
      this.seqs.set(text, seq)
    }
  }

  get count(): number {
    return this.seqs.size
  }
}
