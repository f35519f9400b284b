/** Connects to a server by name. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { TicketStoreShape } from "../capability/TicketStore.ts"
import type { TlsSettings, TransportSettings } from "../connection/ConnectionConfig.ts"
import type { QuicError } from "../QuicError.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { AddressMemory } from "./AddressMemory.ts"
import { attempt } from "./attempt.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { destinations, type Surroundings } from "./destinations.ts"
import type { EndpointActor, PeerPlace } from "./EndpointActor.ts"
import { raceAddresses } from "./raceAddresses.ts"
import { peerAttributes, traced } from "./spans.ts"

/** The settings of a server shared by all connections to it. */
export interface DialedServer {
  readonly host: string
  readonly port: number
  readonly tls: TlsSettings
  readonly transport: TransportSettings
  /** The key of the server in the `TicketStore`. */
  readonly memory: string
  /** Decides about the server in place of the endpoint's. */
  readonly verifier?: CertificateVerifierShape
  readonly attemptDelayMillis?: number
  readonly connectTimeoutMillis?: number
}

export interface DialSettings<Connection> extends Surroundings {
  readonly endpoint: EndpointActor
  readonly store: TicketStoreShape
  readonly addresses: AddressMemory
  /** Unix time. */
  readonly nowMillis: () => number
  /** Wraps the connection for the application. */
  readonly show: (actor: ConnectionActor) => Connection
}

/** RFC 8305 §8 */
const ATTEMPT_DELAY_MILLIS = 250
const CONNECT_TIMEOUT_MILLIS = 30_000

/** Races the addresses of the server. */
export const dial = <Connection>(
  settings: DialSettings<Connection>,
  server: DialedServer,
  earlyData: boolean,
  peer?: PeerPlace
): Effect.Effect<Connection, QuicError, Scope.Scope> => {
  const { endpoint, store, nowMillis, show } = settings
  const key = server.memory
  type MayFinish = (again: () => void) => boolean
  const handshake = (remote: SocketAddress, early: boolean, mayFinish: MayFinish) =>
    traced(attemptOne(remote, early, mayFinish), "quic.handshake", () => ({
      kind: "client",
      attributes: peerAttributes(remote)
    }))
  const attemptOne = (remote: SocketAddress, earlyData: boolean, mayFinish: MayFinish) =>
    attempt({
      host: endpoint,
      take: store.take(key),
      putBack: ({ ticket, addressToken }) =>
        Effect.andThen(
          ticket === undefined ? Effect.void : store.putTicket(key, ticket),
          addressToken === undefined ? Effect.void : store.putAddressToken(key, addressToken)
        ),
      begin: ({ ticket, addressToken }) => {
        const { tls, transport, verifier } = server
        const again = () => actor.conclude({ ok: true })
        const resumption = { nowMillis, ticket, earlyData, mayFinish: () => mayFinish(again) }
        const memory = { addressToken, resumption }
        const serverMemory = { store, server: key, verifier }
        const actor = endpoint.connect(remote, tls, transport, memory, serverMemory, peer)
        return actor
      },
      earlyData,
      show: (actor) => {
        learn(settings.addresses, key, remote, actor)
        return show(actor)
      }
    })
  const dialed = Effect.flatMap(
    destinations(settings, endpoint.socket, server.host, server.port),
    (found) => {
      const remotes = settings.addresses.bestFirst(key, found)
      // 0-RTT ends the race before anyone has answered: only where no other address might be better
      const isSure = remotes.length === 1 || settings.addresses.has(key, remotes[0])
      return raceAddresses({
        host: server.host,
        remotes,
        delayMillis: server.attemptDelayMillis ?? ATTEMPT_DELAY_MILLIS,
        timeoutMillis: server.connectTimeoutMillis ?? CONNECT_TIMEOUT_MILLIS,
        attempt: (remote, mayFinish) =>
          handshake(remote, earlyData && isSure && remote === remotes[0], mayFinish)
      })
    }
  )
  return traced(dialed, "quic.connect", () => ({
    kind: "client",
    attributes: { "server.address": server.host, "server.port": server.port }
  }))
}

/** Remembers the address once it has answered; one that was trusted with 0-RTT and did not is forgotten. */
const learn = (
  addresses: AddressMemory,
  server: string,
  remote: SocketAddress,
  actor: ConnectionActor
): void => {
  if (actor.isEstablished) addresses.remember(server, remote)
  else if (actor.failure !== undefined) addresses.forget(server, remote)
  else actor.signals.ready.listen(() => learn(addresses, server, remote, actor))
}
