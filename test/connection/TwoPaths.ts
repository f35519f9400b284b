/** Two of our endpoints with two paths between them, and paths of a connection created by hand. */
import type { Connection } from "../../src/connection/Connection.ts"
import { ConnectionPath } from "../../src/connection/ConnectionPath.ts"
import { Ecn } from "../../src/recovery/ReceivedPackets.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { CorePair, type CorePairOptions } from "./CorePair.ts"

export type End = "client" | "server"
export const ends = ["client", "server"] as const

/** Indexed by socket number, which is also the path ID. */
const addresses = {
  client: [
    { host: "192.0.2.2", port: 5000, family: 4 },
    { host: "198.51.100.2", port: 5001, family: 4 }
  ],
  server: [
    { host: "192.0.2.1", port: 4433, family: 4 },
    { host: "198.51.100.1", port: 4434, family: 4 }
  ]
} as const satisfies Record<End, ReadonlyArray<SocketAddress>>

export const otherEnd = (end: End): End => (end === "client" ? "server" : "client")

export const secondAddress = (end: End): SocketAddress => addresses[end][1]

/** Path `id`, on the endpoint's socket `id`; not yet added to the connection. */
export const pathOf = ({ config }: Connection, id: number, nowMicros = 0): ConnectionPath =>
  new ConnectionPath(
    config,
    { id, remote: addresses[otherEnd(config.role)][1], socket: id, addressValidated: true },
    nowMicros
  )

export interface Sent {
  readonly by: End
  readonly socket: number
  readonly bytes: Uint8Array
}

export class TwoPaths {
  readonly pair: CorePair
  readonly second: { readonly client: ConnectionPath; readonly server: ConnectionPath }
  readonly sent: Array<Sent> = []
  /** Sockets at either end that currently accept nothing. */
  readonly congested = new Set<number>()
  /** Called for each datagram in transit; returning false drops it. */
  arrives: (sent: Sent) => boolean = () => true
  nowMicros: number
  private readonly buffer = new Uint8Array(65_536)

  constructor(options: CorePairOptions = {}) {
    this.pair = new CorePair({
      ...options,
      client: { maxPaths: 2, ...options.client },
      server: { maxPaths: 2, ...options.server }
    }).exchange()
    this.pair.advance(50_000) // acknowledges the connection IDs of the second path
    this.nowMicros = this.pair.nowMicros
    this.pair.client.multipath.open(addresses.server[1], 1, this.nowMicros)
    this.exchange().advance(1_000_000)
    const second = (end: End): ConnectionPath => this.of(end).paths.byId(1)!
    this.second = { client: second("client"), server: second("server") }
    this.sent.length = 0
  }

  of(end: End): Connection {
    return end === "client" ? this.pair.client : this.pair.server!
  }

  /** Exchanges datagrams until neither has anything to send. */
  exchange(): this {
    for (let round = 0; round < 1000; round++) if (!ends.some((end) => this.transmit(end))) return this
    throw new Error("the exchange does not end")
  }

  /** Advances time, firing deadlines on the way. */
  advance(micros: number): this {
    const until = this.nowMicros + micros
    for (let i = 0; i < 10_000; i++) {
      const due = Math.min(...ends.map((end) => this.of(end).timeout(this.nowMicros)))
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

  private transmit(by: End): boolean {
    const connection = this.of(by)
    const isCongested = (socket: number) => this.congested.has(socket)
    let any = false
    for (;;) {
      const end = connection.pollTransmit(this.buffer, 0, this.nowMicros, isCongested)
      if (end === 0) break
      any = true
      const sent: Sent = { by, socket: connection.transmit.socket, bytes: this.buffer.slice(0, end) }
      expectAddress(connection, addresses[otherEnd(by)][sent.socket])
      this.sent.push(sent)
      if (this.arrives(sent)) this.deliver(sent)
    }
    this.pair.ends[by].routeIds(connection)
    return any
  }

  deliver({ by, socket, bytes }: Sent): void {
    const from = addresses[by][socket]
    this.pair.ends[otherEnd(by)].handleDatagram(
      bytes.slice(),
      from,
      Ecn.NotEct,
      this.nowMicros,
      socket,
      socket
    )
  }
}

const expectAddress = ({ transmit }: Connection, to: SocketAddress): void => {
  if (transmit.remote.host !== to.host || transmit.remote.port !== to.port)
    throw new Error(`socket ${transmit.socket} sends to ${transmit.remote.host}:${transmit.remote.port}`)
}
