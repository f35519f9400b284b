/** A server without I/O, and clients at any address, in virtual time. */
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { RetryPolicy } from "../../src/admission/Admission.ts"
import { defaultLimits, type Limits } from "../../src/admission/Limits.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import type { IncomingHandshakes } from "../../src/endpoint/IncomingHandshakes.ts"
import { parseIp } from "../../src/wire/ipAddress.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { rawIdentity, tlsSettings, transportSettings } from "../connection/Duel.ts"
import { Puppet, type PuppetOptions } from "../connection/Puppet.ts"
import { suite } from "../io.ts"

export const at = (host: string, port = 1_000): SocketAddress => ({
  host,
  port,
  family: parseIp(host)!.bytes.length === 4 ? 4 : 6
})

export interface SiegeOptions {
  readonly limits?: Partial<Limits>
  readonly retry?: RetryPolicy
  readonly admits?: (from: SocketAddress) => boolean
  /** Admits clients as the loop of an endpoint does; default: at once. */
  readonly isDeferred?: boolean
}

export class Siege {
  readonly endpoint: Endpoint
  readonly random = new SeededRandom("siege")
  /** Every datagram the server has sent, and where to. */
  readonly sent: Array<{ readonly bytes: Uint8Array; readonly to: SocketAddress }> = []
  nowMicros = 1_000_000
  private readonly buffer = new Uint8Array(65_536)

  constructor({ limits = {}, retry = "underLoad", isDeferred = true, admits }: SiegeOptions = {}) {
    const server = { tls: tlsSettings(rawIdentity(this.random)), transport: transportSettings(), retry }
    this.endpoint = new Endpoint({
      suite,
      random: this.random.bytes,
      connectionIdBytes: 8,
      limits: { ...defaultLimits, ...limits },
      admits,
      server
    })
    this.incoming.isDeferred = isDeferred
  }

  get incoming(): IncomingHandshakes {
    return this.endpoint.incoming!
  }

  /** Datagrams dropped because a limit was reached. */
  get rateLimited(): number {
    return this.endpoint.counters.dropped.rateLimited
  }

  /** Clients with a connection whose handshake is incomplete. */
  get inFlight(): number {
    return [...this.endpoint.connections].filter(({ handshake }) => !handshake.complete).length
  }

  /** A client whose first flight, which fits one datagram, is in its outbox. */
  client(options: Partial<PuppetOptions> = {}): Puppet {
    const client = new Puppet({
      role: "client",
      suite,
      random: this.random.bytes,
      identity: undefined,
      groups: [0x001d],
      ...options
    })
    client.start()
    return client
  }

  /** Delivers datagrams, admits who may begin, and returns what is sent back to their address. */
  deliver(datagrams: ReadonlyArray<Uint8Array>, from: SocketAddress): ReadonlyArray<Uint8Array> {
    const before = this.sent.length
    for (const bytes of datagrams) {
      this.endpoint.handleDatagram(bytes, from, 0, this.nowMicros)
      this.serve()
    }
    return this.sent.slice(before).flatMap(({ to, bytes }) => (to === from ? [bytes] : []))
  }

  /** Delivers what a client has to send, and the answers to it, until neither has more. */
  exchange(client: Puppet, from: SocketAddress): Puppet {
    while (client.outbox.length > 0)
      for (const bytes of this.deliver(client.outbox.splice(0), from)) client.receive(bytes)
    return client
  }

  /** Advances time and fires what is due. */
  advance(micros: number): void {
    this.nowMicros += micros
    for (const connection of this.endpoint.connections)
      if (connection.timeout(this.nowMicros) <= this.nowMicros) connection.handleTimeout(this.nowMicros)
    this.serve()
  }

  private serve(): void {
    const { endpoint, incoming, buffer, nowMicros } = this
    while (incoming.hasWaiting || incoming.deadlineMicros <= nowMicros) incoming.admit(nowMicros)
    for (let reply = endpoint.pollReply(); reply !== undefined; reply = endpoint.pollReply())
      this.sent.push(reply)
    for (const connection of endpoint.connections) {
      for (;;) {
        const end = connection.pollTransmit(buffer, 0, nowMicros)
        if (end === 0) break
        this.sent.push({ bytes: buffer.slice(0, end), to: connection.transmit.remote })
      }
      for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent())
        if (event._tag === "verifyPeer") connection.handleVerdict({ ok: true }, nowMicros)
        else if (event._tag === "drained") endpoint.forget(connection)
      if (endpoint.connections.has(connection)) endpoint.routeIds(connection)
    }
  }
}
