/** Connects to a server by name. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TicketStoreShape } from "../capability/TicketStore.ts"
import type { TlsSettings, TransportSettings } from "../connection/ConnectionConfig.ts"
import type { QuicError } from "../QuicError.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { attempt } from "./attempt.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { destinations, type Surroundings } from "./destinations.ts"
import type { EndpointActor, PeerPlace } from "./EndpointActor.ts"
import { peerAttributes, traced } from "./spans.ts"

/** The settings of a server shared by all connections to it. */
export interface DialedServer {
  readonly host: string
  readonly port: number
  readonly tls: TlsSettings
  readonly transport: TransportSettings
  /** The key of the server in the `TicketStore`. */
  readonly memory: string
}

export interface DialSettings<Connection> extends Surroundings {
  readonly endpoint: EndpointActor
  readonly store: TicketStoreShape
  /** Unix time. */
  readonly nowMillis: () => number
  /** Wraps the connection for the application. */
  readonly show: (actor: ConnectionActor) => Connection
}

/** Tries the addresses of the server one after the other while they are unreachable. */
export const dial = <Connection>(
  settings: DialSettings<Connection>,
  server: DialedServer,
  earlyData: boolean,
  peer?: PeerPlace
): Effect.Effect<Connection, QuicError, Scope.Scope> => {
  const { endpoint, store, nowMillis, show } = settings
  const key = server.memory
  const handshake = (remote: SocketAddress) =>
    traced(attemptOne(remote), "quic.handshake", () => ({
      kind: "client",
      attributes: peerAttributes(remote)
    }))
  const attemptOne = (remote: SocketAddress) =>
    attempt({
      host: endpoint,
      take: store.take(key),
      putBack: ({ ticket, addressToken }) =>
        Effect.andThen(
          ticket === undefined ? Effect.void : store.putTicket(key, ticket),
          addressToken === undefined ? Effect.void : store.putAddressToken(key, addressToken)
        ),
      begin: ({ ticket, addressToken }) => {
        const memory = { addressToken, resumption: { nowMillis, ticket, earlyData } }
        const { tls, transport } = server
        return endpoint.connect(remote, tls, transport, memory, { store, server: key }, peer)
      },
      earlyData,
      show
    })
  const dialed = Effect.flatMap(
    destinations(settings, endpoint.socket, server.host, server.port),
    ([first, ...others]) =>
      others.reduce(
        (before, other) => Effect.catchReason(before, "QuicError", "Unreachable", () => handshake(other)),
        handshake(first)
      )
  )
  return traced(dialed, "quic.connect", () => ({
    kind: "client",
    attributes: { "server.address": server.host, "server.port": server.port }
  }))
}
