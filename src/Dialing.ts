/**
 * Dialing peers by key: what an endpoint offers for it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { acquireAll } from "./actor/acquire.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import { dialKey, type KeyDialing } from "./actor/dialKey.ts"
import type { EndpointActor, PeerPlace } from "./actor/EndpointActor.ts"
import type { RelayLinks } from "./actor/RelayLinks.ts"
import { NetworkInterfaces } from "./capability/NetworkInterfaces.ts"
import { PeerLookup, type PeerLookupShape, type PeerPlaces } from "./capability/PeerLookup.ts"
import type { RelayLinkCounters } from "./capability/RelayPort.ts"
import type { TicketStoreShape } from "./capability/TicketStore.ts"
import * as DialAddress from "./DialAddress.ts"
import { type DialOptions, dialSettings } from "./DialOptions.ts"
import { MAX_ADDRESSES } from "./dialTicket.ts"
import { KnownPeers } from "./KnownPeers.ts"
import { mergedPlaces } from "./peerPlaces.ts"
import { EndpointClosed, invalidOption, type QuicError, quicError } from "./QuicError.ts"
import type { QuicConnection } from "./QuicConnection.ts"
import type { OwnAddress } from "./relaySettings.ts"
import type { SettingsContext } from "./serverSettings.ts"
import { isWildcard } from "./wire/destination.ts"
import { type SocketAddress, socketAddress } from "./wire/SocketAddress.ts"

/**
 * A relay of an endpoint, and what was measured there.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayInfo {
  /** Its URL. */
  readonly url: string
  /** Whether this endpoint is connected to it. */
  readonly isLinked: boolean
  /** Whether it is the one that `dialAddress` names first. */
  readonly isHome: boolean
  /** Whether it is one of the option `relays`; others are used because a peer is there. */
  readonly isConfigured: boolean
  /** Round trip to it, as last measured; undefined before that. */
  readonly rttMillis: number | undefined
  /** Why there is no connection to it; undefined while there is one, or none was tried. */
  readonly problem: string | undefined
  /** What was sent and received over the present connection to it; undefined while there is none. */
  readonly counters: RelayLinkCounters | undefined
}

/**
 * The part of an endpoint that dials, and is dialed, by key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dialing {
  /**
   * Connects to the holder of a key, wherever it is. The connection closes with its scope.
   *
   * `address` is a `DialAddress` or a ticket. The first flight goes through the first relay and to the first address at the
   * same time, to further ones a moment later; what `PeerLookup` knows is tried too. The connection begins where the peer
   * answers first, and it is the peer for certain: it has proven that it holds the key, whatever the `CertificateVerifier`
   * accepts. A direct path takes over from the relay as soon as one is validated, and the relay stays as a backup.
   *
   * Fails with `InvalidOption`, `Unreachable` if no relay or address of the peer is known or can be used, `ConnectFailed`
   * with the reason for each, and otherwise as `connect` does.
   *
   * **Interruption**: while connecting; leaves nothing behind.
   */
  readonly dial: (
    address: DialAddress.DialAddressInput | string,
    options: DialOptions
  ) => Effect.Effect<QuicConnection, QuicError, Scope.Scope>
  /**
   * By what others dial this endpoint: its key, the relays it is connected to, the nearest first, and the addresses of this
   * machine. `DialAddress.ticket` makes a line of text of it.
   *
   * As it is now: wait for `online` first if others are to come through a relay. Fails with `InvalidOption` if the endpoint
   * has no `identity`, and with `EndpointClosed`.
   */
  readonly dialAddress: Effect.Effect<DialAddress.DialAddress, QuicError>
  /**
   * Waits until the endpoint is connected to one of its relays; succeeds at once if there is none.
   *
   * **Interruption**: stops waiting.
   */
  readonly online: Effect.Effect<void>
  /** The relays in use, those of the option `relays` first. */
  readonly relays: Effect.Effect<ReadonlyArray<RelayInfo>>
}

/** What dialing needs of an endpoint. */
export interface DialingParts {
  readonly actor: EndpointActor
  readonly own: OwnAddress | undefined
  readonly links: RelayLinks | undefined
  readonly store: TicketStoreShape
  readonly nowMillis: () => number
  readonly context: SettingsContext
  readonly show: (actor: ConnectionActor) => QuicConnection
}

/** A peer that is asked for may be in a network's table, and that may be slow. */
const LOOKUP_MILLIS = 2_000

export const makeDialing = Effect.fnUntraced(function* (parts: DialingParts) {
  const { actor, own, links, store, nowMillis, context, show } = parts
  const interfaces = Option.getOrUndefined(yield* Effect.serviceOption(NetworkInterfaces))
  const lookup = Option.getOrElse(yield* Effect.serviceOption(PeerLookup), () => new KnownPeers())
  const dialing: KeyDialing<QuicConnection> = {
    endpoint: actor,
    links,
    store,
    nowMillis,
    random: () => context.randomBytes(1)[0] / 255,
    show,
    onAnswered: ({ publicKey }, remote, relay) =>
      lookup.learn(publicKey, {
        relays: relay === undefined ? [] : [relay],
        addresses: relay === undefined ? [remote] : []
      })
  }
  const prepared = Effect.fnUntraced(function* (
    given: DialAddress.DialAddressInput | string,
    options: DialOptions
  ) {
    const address = yield* DialAddress.from(given)
    const peer = yield* dialSettings(
      address,
      options,
      own?.identity,
      dialing.endpoint.traversal?.settings,
      context
    )
    const connect = (owner?: PeerPlace) =>
      Effect.flatMap(placesOf(lookup, address), (places) => dialKey(dialing, { ...peer, ...places }, owner))
    return { name: peer.name, connect }
  })
  const operations: Dialing = {
    dial: (address, options) =>
      acquireAll(Effect.flatMap(prepared(address, options), ({ connect }) => connect())),
    dialAddress: Effect.gen(function* () {
      if (actor.isClosed) return yield* quicError(new EndpointClosed())
      if (own === undefined)
        return yield* invalidOption("identity", "an Ed25519 raw key; the endpoint was made without one")
      const here = interfaces === undefined ? [] : yield* interfaces.addresses
      return {
        publicKey: own.publicKey,
        relays: links?.linked.map(({ url }) => url) ?? [],
        addresses: hostAddresses(actor.socket.localAddress, here)
      }
    }),
    online: links === undefined || own?.relays.length === 0 ? Effect.void : links.whenHome,
    relays: Effect.sync(() => relayInfos(links))
  }
  return { operations, prepared }
})

/** The places of the address first, and those that are known besides. */
const placesOf = (lookup: PeerLookupShape, address: DialAddress.DialAddress): Effect.Effect<PeerPlaces> =>
  Effect.map(
    Effect.timeoutOption(lookup.find(address.publicKey), LOOKUP_MILLIS),
    Option.match({ onNone: () => address, onSome: (known) => mergedPlaces(address, known) })
  )

/** The addresses a socket is reached at, from this machine's networks at least; those of the machine alone if there are no others. */
const hostAddresses = (
  { host, port, family }: SocketAddress,
  interfaces: ReadonlyArray<{
    readonly address: string
    readonly family: 4 | 6
    readonly isLoopback: boolean
  }>
): ReadonlyArray<SocketAddress> => {
  const bound = isWildcard(host) ? [] : [host]
  const isServed = (each: { readonly family: 4 | 6 }) => family === 6 || each.family === 4
  const reachable = interfaces.filter((each) => isServed(each) && !each.address.includes("%"))
  const outer = reachable.filter(({ isLoopback }) => !isLoopback)
  const wild = (outer.length > 0 ? outer : reachable).map(({ address }) => address)
  return (bound.length > 0 ? bound : wild)
    .filter((each) => !each.includes("%"))
    .slice(0, MAX_ADDRESSES)
    .map((each) => socketAddress(each, port)!)
}

const relayInfos = (links: RelayLinks | undefined): ReadonlyArray<RelayInfo> => {
  const home = links?.home
  return [...(links?.all ?? [])].map((relay) => ({
    url: relay.url,
    isLinked: relay.link !== undefined,
    isHome: relay === home,
    isConfigured: relay.isConfigured,
    rttMillis: relay.link?.rttMillis,
    problem: relay.problem,
    counters: relay.link && { ...relay.link.counters }
  }))
}
