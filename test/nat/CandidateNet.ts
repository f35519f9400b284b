/** Two of our endpoints, connected, with several addresses each: who hears what depends on the NATs between them. */
import type { Connection } from "../../src/connection/Connection.ts"
import { ProbeBudget } from "../../src/nat/ProbeBudget.ts"
import type { TraversalListener } from "../../src/nat/TraversalPort.ts"
import { Ecn } from "../../src/recovery/ReceivedPackets.ts"
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import { CorePair, type CorePairOptions } from "../connection/CorePair.ts"
import { type End, ends, otherEnd } from "../connection/TwoPaths.ts"

/** By socket: that of the handshake, and a direct one. */
export const places = {
  client: [
    { host: "192.0.2.2", port: 5000, family: 4 },
    { host: "198.51.100.2", port: 5001, family: 4 }
  ],
  server: [
    { host: "192.0.2.1", port: 4433, family: 4 },
    { host: "198.51.100.1", port: 4434, family: 4 }
  ]
} as const satisfies Record<End, ReadonlyArray<SocketAddress>>

export interface Passing {
  readonly by: End
  readonly from: SocketAddress
  readonly to: SocketAddress
  readonly bytes: Uint8Array
}

/** A call of a listener, as text. */
export class Heard implements TraversalListener {
  readonly calls: Array<string> = []
  private note(...fields: ReadonlyArray<string | number>): void {
    this.calls.push(fields.join(" "))
  }
  onAddressAdvertised = (seq: number, address: SocketAddress) =>
    this.note("advertised", seq, formatAddress(address))
  onAddressWithdrawn = (seq: number) => this.note("withdrawn", seq)
  onReachOut = (round: number, address: SocketAddress) => this.note("reachOut", round, formatAddress(address))
  onProbeAnswered = (remote: SocketAddress, socket: number, rttMicros: number) =>
    this.note("answered", formatAddress(remote), socket, rttMicros)
  onProbeFailed = (remote: SocketAddress, socket: number) =>
    this.note("failed", formatAddress(remote), socket)
  onPeerProbe = (remote: SocketAddress, socket: number) => this.note("probed", formatAddress(remote), socket)
  onObservedAddress = (address: SocketAddress, socket: number) =>
    this.note("observed", formatAddress(address), socket)
}

const traversing = { maxPaths: 3, maxRemoteCandidates: 8 } as const

export class CandidateNet {
  readonly pair: CorePair
  readonly heard = { client: new Heard(), server: new Heard() }
  readonly budget = { client: new ProbeBudget(), server: new ProbeBudget() }
  readonly passed: Array<Passing> = []
  /** What becomes of a datagram: other addresses, or undefined for dropped. */
  nat: (passing: Passing) => Passing | undefined = (passing) => passing
  latencyMicros = 0
  nowMicros: number
  private readonly buffer = new Uint8Array(65_536)
  private inFlight: Array<Passing & { readonly atMicros: number }> = []

  constructor(options: CorePairOptions = {}, isAttached = true) {
    this.pair = new CorePair({
      ...options,
      client: { ...traversing, ...options.client },
      server: { ...traversing, ...options.server }
    }).exchange()
    this.pair.advance(50_000)
    this.nowMicros = this.pair.nowMicros
    if (isAttached) for (const end of ends) this.attach(end)
  }

  attach(end: End): void {
    this.of(end).traversal.attach(this.heard[end], this.budget[end])
  }

  of(end: End): Connection {
    return end === "client" ? this.pair.client : this.pair.server!
  }

  get client(): Connection["traversal"] {
    return this.of("client").traversal
  }

  get server(): Connection["traversal"] {
    return this.of("server").traversal
  }

  probe(by: End, remote: SocketAddress, socket = 1): this {
    this.of(by).traversal.probe(remote, socket, this.nowMicros)
    return this
  }

  exchange(): this {
    for (let round = 0; round < 10_000; round++) {
      let any = false
      for (const end of ends) any = this.transmit(end) || any
      const due = this.inFlight.filter(({ atMicros }) => atMicros <= this.nowMicros)
      this.inFlight = this.inFlight.filter(({ atMicros }) => atMicros > this.nowMicros)
      for (const passing of due) this.deliver(passing)
      for (const end of ends) this.settle(end)
      if (!any && due.length === 0) return this
    }
    throw new Error("the exchange does not end")
  }

  advance(micros: number): this {
    this.exchange()
    const until = this.nowMicros + micros
    for (let i = 0; i < 100_000; i++) {
      const due = Math.min(
        ...ends.map((end) => this.of(end).timeout(this.nowMicros)),
        ...this.inFlight.map(({ atMicros }) => atMicros)
      )
      if (due > until) {
        this.nowMicros = until
        return this
      }
      this.nowMicros = Math.max(this.nowMicros, due)
      for (const end of ends)
        if (this.of(end).timeout(this.nowMicros) <= this.nowMicros) this.of(end).handleTimeout(this.nowMicros)
      this.exchange()
    }
    throw new Error("a deadline is always due")
  }

  private settle(end: End): void {
    const connection = this.of(end)
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent())
      if (event._tag === "traversal") connection.traversal.deliver()
  }

  private transmit(by: End): boolean {
    const connection = this.of(by)
    let any = false
    for (;;) {
      const end = connection.pollTransmit(this.buffer, 0, this.nowMicros)
      if (end === 0) break
      any = true
      const { remote, socket } = connection.transmit
      const passing = this.nat({ by, from: places[by][socket], to: remote, bytes: this.buffer.slice(0, end) })
      if (passing === undefined) continue
      this.passed.push(passing)
      this.inFlight.push({ ...passing, atMicros: this.nowMicros + this.latencyMicros })
    }
    this.pair.ends[by].routeIds(connection)
    return any
  }

  private deliver({ by, from, to, bytes }: Passing): void {
    const end = otherEnd(by)
    const socket = places[end].findIndex(({ host, port }) => host === to.host && port === to.port)
    if (socket >= 0)
      this.pair.ends[end].handleDatagram(bytes.slice(), from, Ecn.NotEct, this.nowMicros, socket, socket)
  }
}
