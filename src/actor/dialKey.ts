/**
 * Connects to the holder of a key, wherever it is: through its relays and at the addresses it may have, all at once. Whoever
 * completes the handshake holds the key; the connection goes on there, and keeps the other ways as further paths.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { TicketStoreShape } from "../capability/TicketStore.ts"
import type { TlsSettings, TransportSettings } from "../connection/ConnectionConfig.ts"
import { type QuicError, quicError, Unreachable } from "../QuicError.ts"
import { whyUnreachable } from "../wire/destination.ts"
import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { attempt } from "./attempt.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import type { EndpointActor, PeerPlace } from "./EndpointActor.ts"
import { keepPaths } from "./keepPaths.ts"
import { raceAddresses } from "./raceAddresses.ts"
import type { Relay, RelayLinks } from "./RelayLinks.ts"
import { peerAttributes, traced } from "./spans.ts"

/** Tried of the relays and addresses that a peer is said to have. */
const MAX_RELAYS = 2
const MAX_ADDRESSES = 8

/** Whom to connect to, and where it may be. */
export interface DialedPeer {
  /** For people. */
  readonly name: string
  readonly publicKey: Uint8Array
  readonly relays: ReadonlyArray<string>
  readonly addresses: ReadonlyArray<SocketAddress>
  readonly tls: TlsSettings
  readonly transport: TransportSettings
  /** Accepts the holder of the key. */
  readonly verifier: CertificateVerifierShape
  /** The key of the peer in the `TicketStore`. */
  readonly memory: string
  readonly attemptDelayMillis: number
  readonly connectTimeoutMillis: number
}

export interface KeyDialing<Connection> {
  readonly endpoint: EndpointActor
  /** Undefined if nobody is reached through relays. */
  readonly links: RelayLinks | undefined
  readonly store: TicketStoreShape
  /** Unix time. */
  readonly nowMillis: () => number
  /** From 0 to 1. */
  readonly random: () => number
  /** Wraps the connection for the application. */
  readonly show: (actor: ConnectionActor) => Connection
  /** The peer has answered there. */
  readonly onAnswered: (
    peer: DialedPeer,
    remote: SocketAddress,
    relay: string | undefined
  ) => Effect.Effect<void>
}

/** Where the peer is at one of its relays. */
interface RelayedPlace {
  readonly relay: Relay
  readonly address: SocketAddress
}

export const dialKey = <Connection>(
  dialing: KeyDialing<Connection>,
  peer: DialedPeer,
  owner?: PeerPlace
): Effect.Effect<Connection, QuicError, Scope.Scope> => {
  const dialed = Effect.gen(function* () {
    const relayed = yield* relayedPlaces(dialing.links, peer)
    const direct = reachable(dialing.endpoint, peer.addresses)
    const [nearest, ...others] = relayed
    const remotes = [
      ...(nearest === undefined ? [] : [nearest.address]),
      ...direct,
      ...others.map(({ address }) => address)
    ]
    if (remotes.length === 0) return yield* nowhere(dialing, peer)
    return yield* raceAddresses({
      host: peer.name,
      remotes,
      // neither the relay nor a direct address has a head start
      together: nearest === undefined ? 1 : 2,
      delayMillis: peer.attemptDelayMillis,
      timeoutMillis: peer.connectTimeoutMillis,
      attempt: (remote, mayFinish) => handshake(dialing, peer, { remote, mayFinish, relayed, direct }, owner)
    })
  })
  return traced(dialed, "quic.connect", () => ({
    kind: "client",
    attributes: { "server.address": peer.name }
  }))
}

/** Holds the first relays of the peer for as long as the scope lasts. One that cannot be used is left out. */
const relayedPlaces = Effect.fnUntraced(function* (links: RelayLinks | undefined, peer: DialedPeer) {
  const places: Array<RelayedPlace> = []
  if (links === undefined) return places
  for (const url of peer.relays.slice(0, MAX_RELAYS)) {
    const relay = yield* Effect.option(links.hold(url))
    if (relay._tag === "None") continue
    const { address } = yield* Effect.acquireRelease(
      Effect.sync(() => links.socket.addresses.pin(relay.value, peer.publicKey)),
      ({ unpin }) => Effect.sync(unpin)
    )
    places.push({ relay: relay.value, address })
  }
  return places
})

const reachable = (
  endpoint: EndpointActor,
  addresses: ReadonlyArray<SocketAddress>
): ReadonlyArray<SocketAddress> =>
  addresses
    .filter((address) => whyUnreachable(endpoint.socket.localAddress, address) === undefined)
    .slice(0, MAX_ADDRESSES)

const nowhere = <Connection>({ endpoint, links }: KeyDialing<Connection>, peer: DialedPeer) => {
  const [address] = peer.addresses
  const problem =
    address !== undefined
      ? `${formatAddress(address)}: ${whyUnreachable(endpoint.socket.localAddress, address)}`
      : peer.relays.length === 0
        ? "neither a relay nor an address of it is known"
        : links === undefined
          ? "it is behind a relay, and this endpoint has no identity, or no RelayPort"
          : "too many relays are in use"
  return Effect.fail(quicError(new Unreachable({ address: peer.name, problem })))
}

/** Where an attempt goes, and what else is known. */
interface Ways {
  readonly remote: SocketAddress
  readonly mayFinish: (again: () => void) => boolean
  readonly relayed: ReadonlyArray<RelayedPlace>
  readonly direct: ReadonlyArray<SocketAddress>
}

const handshake = <Connection>(
  dialing: KeyDialing<Connection>,
  peer: DialedPeer,
  ways: Ways,
  owner: PeerPlace | undefined
): Effect.Effect<Connection, QuicError, Scope.Scope> => {
  const { endpoint, store, nowMillis, random, show, links } = dialing
  const { remote, mayFinish, relayed, direct } = ways
  const { memory: key, tls, transport, verifier } = peer
  const through = relayed.find(({ address }) => address === remote)
  const onShown = (actor: ConnectionActor): Connection => {
    const places = {
      relayed: (through ?? relayed[0])?.address,
      direct,
      random,
      socketFor: (to: SocketAddress) => endpoint.socketFor(to)
    }
    const url = through?.relay.url
    const life = Effect.andThen(dialing.onAnswered(peer, remote, url), keepPaths(actor, places))
    actor.branch.fork(life, (cause) => actor.report("the paths of a peer are not kept any more", cause))
    return show(actor)
  }
  const one = attempt({
    host: endpoint,
    take: store.take(key),
    putBack: ({ ticket, addressToken }) =>
      Effect.andThen(
        ticket === undefined ? Effect.void : store.putTicket(key, ticket),
        addressToken === undefined ? Effect.void : store.putAddressToken(key, addressToken)
      ),
    begin: ({ ticket, addressToken }) => {
      const again = () => actor.conclude({ ok: true })
      const resumption = { nowMillis, ticket, earlyData: false, mayFinish: () => mayFinish(again) }
      const memory = { addressToken, resumption }
      const actor = endpoint.connect(remote, tls, transport, memory, { store, server: key, verifier }, owner)
      return actor
    },
    earlyData: false,
    show: onShown
  })
  const linked =
    through === undefined || links === undefined ? one : Effect.andThen(links.linkOf(through.relay), one)
  return traced(linked, "quic.handshake", () => ({ kind: "client", attributes: peerAttributes(remote) }))
}
