/**
 * Peers that are known: a table in memory, which remembers where peers have answered and can be stored as tickets.
 *
 * **Example** (Peers that a program knew when it ran last)
 *
 * ```ts
 * import { Effect, FileSystem, Layer } from "effect"
 * import { DialAddress, KnownPeers, PeerLookup } from "effect-quic"
 *
 * const load = Effect.gen(function* () {
 *   const fs = yield* FileSystem.FileSystem
 *   const lines = (yield* fs.readFileString("peers")).trim().split("\n")
 *   return KnownPeers.make(yield* Effect.forEach(lines, DialAddress.parse))
 * })
 *
 * const store = (known: KnownPeers.KnownPeers) =>
 *   Effect.gen(function* () {
 *     const fs = yield* FileSystem.FileSystem
 *     yield* fs.writeFileString("peers", known.addresses.map(DialAddress.ticket).join("\n"))
 *   })
 *
 * const layer = Layer.effect(PeerLookup, load)
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isBytes, isRecord } from "./arguments.ts"
import { PeerLookup, type PeerLookupShape, type PeerPlaces } from "./capability/PeerLookup.ts"
import type { DialAddress } from "./DialAddress.ts"
import { hexadecimal } from "./internal/hexadecimal.ts"
import { mergedPlaces, nowhere } from "./peerPlaces.ts"
import { InvalidOption, quicError } from "./QuicError.ts"

/** Peers remembered; the one heard from longest ago is forgotten first. */
const MAX_PEERS = 1024
/** Of each, the last that have worked. */
const MAX_RELAYS = 4
const MAX_ADDRESSES = 8

const isDialAddress = (value: unknown): value is DialAddress =>
  isRecord(value) && isBytes(value.publicKey) && Array.isArray(value.relays) && Array.isArray(value.addresses)

const notKnown = quicError(
  new InvalidOption({ field: "known", problem: "DialAddresses; DialAddress.parse makes one of a ticket" })
)

/**
 * A table of peers. Holds at most 1,024, each with at most 4 relays and 8 addresses: what worked last is kept.
 *
 * @category models
 * @since 0.1.0
 */
export class KnownPeers implements PeerLookupShape {
  private readonly peers = new Map<string, DialAddress>()

  /**
   * A table that knows these peers already, those heard from last at the end. Throws `QuicError` with `InvalidOption` for
   * what is no `DialAddress`.
   */
  constructor(known: Iterable<DialAddress> = []) {
    // text is iterable too, by letters
    if (typeof known === "string" || !(Symbol.iterator in Object(known))) throw notKnown
    for (const each of known) {
      if (!isDialAddress(each)) throw notKnown
      this.add(each.publicKey, each)
    }
  }

  /** All that are known, as dial addresses; the one heard from last is the last. */
  get addresses(): ReadonlyArray<DialAddress> {
    return [...this.peers.values()]
  }

  /** What is known of a peer. */
  readonly find = (publicKey: Uint8Array): Effect.Effect<PeerPlaces> =>
    Effect.sync(() => this.peers.get(hexadecimal(publicKey)) ?? nowhere)

  /** Adds a place where it has answered, in front of those known. */
  readonly learn = (publicKey: Uint8Array, place: PeerPlaces): Effect.Effect<void> =>
    Effect.sync(() => this.add(publicKey, place))

  /** Forgets a peer. */
  forget(publicKey: Uint8Array): void {
    this.peers.delete(hexadecimal(publicKey))
  }

  private add(publicKey: Uint8Array, place: PeerPlaces): void {
    const id = hexadecimal(publicKey)
    const merged = mergedPlaces(place, this.peers.get(id) ?? nowhere)
    this.peers.delete(id)
    this.peers.set(id, {
      publicKey: publicKey.slice(),
      relays: merged.relays.slice(0, MAX_RELAYS),
      addresses: merged.addresses.slice(0, MAX_ADDRESSES)
    })
    if (this.peers.size > MAX_PEERS)
      for (const oldest of this.peers.keys()) return void this.peers.delete(oldest)
  }
}

/**
 * A table that knows these peers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (known: Iterable<DialAddress> = []): KnownPeers => new KnownPeers(known)

/**
 * Provides a table that knows these peers, and learns of others.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (known: Iterable<DialAddress> = []): Layer.Layer<PeerLookup> =>
  Layer.sync(PeerLookup, () => make(known))
