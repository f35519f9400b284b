/** Two of our endpoints without actors: datagrams between them can be observed, changed and dropped. */
import type { Role } from "../../src/wire/Role.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { NamedGroup } from "../../src/capability/CryptoSuite.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import type { PreferredAddresses } from "../../src/connection/ConnectionConfig.ts"
import type { RetryPolicy } from "../../src/admission/Admission.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import type { EndpointConfig } from "../../src/endpoint/EndpointConfig.ts"
import type { SessionTicket } from "../../src/capability/TicketStore.ts"
import type { EarlyDataRequest } from "../../src/handshake/TlsSession.ts"
import type { TransportOptions } from "../../src/QuicOptions.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { rawIdentity, tlsSettings, transportSettings } from "./Duel.ts"
import { suite } from "../io.ts"

const addresses = {
  client: { host: "192.0.2.2", port: 5000, family: 4 },
  server: { host: "192.0.2.1", port: 4433, family: 4 }
} as const satisfies Record<string, SocketAddress>

export interface CorePairOptions {
  readonly client?: TransportOptions
  readonly server?: TransportOptions
  /** The server name the client uses; `localhost` by default. */
  readonly serverName?: string
  readonly clientGroups?: ReadonlyArray<NamedGroup>
  readonly serverGroups?: ReadonlyArray<NamedGroup>
  readonly retry?: RetryPolicy
  readonly preferred?: PreferredAddresses
  readonly observe?: EndpointConfig["observe"]
  /** A session to resume with 0-RTT, issued by the server of another pair. */
  readonly resume?: SessionTicket
  /** Whether the server accepts 0-RTT; then it also issues tickets. */
  readonly acceptEarlyData?: (request: EarlyDataRequest) => boolean
  /** Datagrams are polled as the next of a burst, as the endpoint's loop does. Default true. */
  readonly asBursts?: boolean
  /** Called for each datagram in transit; returning undefined drops it. */
  readonly between?: (datagram: Uint8Array, to: Role) => Uint8Array | undefined
}

export class CorePair {
  readonly client: Connection
  server: Connection | undefined = undefined
  /** Tickets the server has issued. */
  readonly tickets: Array<SessionTicket> = []
  readonly datagrams: Array<{ readonly to: Role; readonly bytes: Uint8Array }> = []
  readonly ends: { readonly client: Endpoint; readonly server: Endpoint }
  nowMicros = 1_000_000
  private readonly options: CorePairOptions
  private readonly buffer = new Uint8Array(65_536)
  private readonly inFlight: Array<{ readonly to: Role; readonly bytes: Uint8Array }> = []

  constructor(options: CorePairOptions = {}) {
    this.options = options
    const { serverName = "localhost" } = options
    const random = new SeededRandom("core pair")
    const identity = rawIdentity(random.fork("identity"))
    const tls = {
      client: tlsSettings(identity, {
        groups: options.clientGroups ?? suite.groups,
        selectIdentity: () => undefined,
        serverName,
        expectedName: serverName
      }),
      server: tlsSettings(identity, { groups: options.serverGroups ?? suite.groups })
    }
    const end = (name: string, server: EndpointConfig["server"]) =>
      new Endpoint({
        suite,
        random: random.fork(name).bytes,
        connectionIdBytes: 8,
        server,
        ...(options.observe !== undefined && { observe: options.observe })
      })
    this.ends = {
      client: end("client", undefined),
      server: end("server", {
        tls: tls.server,
        transport: transportSettings(options.server),
        ...(options.retry !== undefined && { retry: options.retry }),
        ...(options.preferred !== undefined && { preferred: options.preferred }),
        ...(options.acceptEarlyData !== undefined && {
          tickets: {
            nowMillis: () => this.nowMicros / 1000,
            ticketLifetimeSeconds: 1000,
            sealTicket: (plaintext) => plaintext.slice(),
            openTicket: (sealed) => sealed.slice(),
            acceptEarlyData: options.acceptEarlyData
          }
        })
      })
    }
    this.client = this.ends.client.connect(
      addresses.server,
      tls.client,
      transportSettings(options.client),
      this.nowMicros,
      {
        addressToken: undefined,
        resumption: {
          nowMillis: () => this.nowMicros / 1000,
          ticket: options.resume,
          earlyData: options.resume !== undefined
        }
      }
    )
    // a resuming client first asks whether its ticket's server is still trusted
    this.answer(this.client)
  }

  /** Exchanges datagrams until neither has anything to send. */
  exchange(): this {
    for (let round = 0; round < 1000; round++) {
      this.collect()
      const next = this.inFlight.shift()
      if (next === undefined) return this
      const bytes =
        this.options.between === undefined ? next.bytes : this.options.between(next.bytes, next.to)
      if (bytes !== undefined) this.deliver(next.to, bytes)
    }
    throw new Error("the exchange does not end")
  }

  /** Delivers a datagram as if from the other side. */
  deliver(to: Role, bytes: Uint8Array): void {
    const from = addresses[to === "client" ? "server" : "client"]
    const found = this.ends[to].handleDatagram(bytes.slice(), from, 0, this.nowMicros)
    if (to === "server" && found !== undefined) this.server = found
  }

  /** Advances time. */
  advance(micros: number): this {
    const until = this.nowMicros + micros
    for (;;) {
      const due = Math.min(
        this.client.timeout(this.nowMicros),
        this.server?.timeout(this.nowMicros) ?? Number.POSITIVE_INFINITY
      )
      if (due > until) break
      this.nowMicros = Math.max(this.nowMicros, due)
      for (const connection of [this.client, this.server])
        if (connection !== undefined && connection.timeout(this.nowMicros) <= this.nowMicros)
          connection.handleTimeout(this.nowMicros)
      this.exchange()
    }
    this.nowMicros = until
    return this
  }

  private collect(): void {
    for (const name of ["client", "server"] as const) {
      const to = name === "client" ? "server" : "client"
      const end = this.ends[name]
      for (let reply = end.pollReply(); reply !== undefined; reply = end.pollReply())
        this.post(to, reply.bytes)
      const connection = this[name]
      if (connection === undefined) continue
      this.answer(connection)
      for (let isNext = false; ; isNext = this.options.asBursts ?? true) {
        const length = connection.pollTransmit(this.buffer, 0, this.nowMicros, () => false, isNext)
        if (length === 0) break
        this.post(to, this.buffer.slice(0, length))
      }
      end.routeIds(connection)
    }
  }

  private answer(connection: Connection): void {
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent())
      if (event._tag === "verifyPeer") connection.handleVerdict({ ok: true }, this.nowMicros)
      else if (event._tag === "ticket") this.tickets.push(event.ticket)
  }

  private post(to: Role, bytes: Uint8Array): void {
    this.datagrams.push({ to, bytes })
    this.inFlight.push({ to, bytes })
  }
}
