/**
 * Where the holder of a key is: what an application, a file or the local network knows, besides the address that is dialed.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/**
 * Where a peer may be reached. Nothing of it is trusted: whoever answers has to prove that it holds the key.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeerPlaces {
  /** URLs of relays, best first. */
  readonly relays: ReadonlyArray<string>
  /** UDP addresses, best first. */
  readonly addresses: ReadonlyArray<SocketAddress>
}

/**
 * Finds peers by their key, an Ed25519 public key of 32 bytes, and remembers where they have answered.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeerLookupShape {
  /** What is known; empty lists if nothing is. Asked before each dial, which waits for it two seconds at most. */
  readonly find: (publicKey: Uint8Array) => Effect.Effect<PeerPlaces>
  /** The peer has answered there: a handshake through this relay, or at this address, is complete. */
  readonly learn: (publicKey: Uint8Array, place: PeerPlaces) => Effect.Effect<void>
}

/**
 * The service that finds peers. An endpoint without one remembers the last 1,024 peers it was connected with: see
 * `KnownPeers`.
 *
 * @category services
 * @since 0.1.0
 */
export class PeerLookup extends Context.Service<PeerLookup, PeerLookupShape>()(
  "effect-quic/capability/PeerLookup"
) {}
