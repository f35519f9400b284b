/** The options `identity` and `relays` of an endpoint: who it is to peers that dial it, and where they find it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { EndpointActor } from "./actor/EndpointActor.ts"
import { type Relay, RelayLinks } from "./actor/RelayLinks.ts"
import { RelaySocket } from "./actor/RelaySocket.ts"
import { type CryptoSuiteShape, SignatureScheme } from "./capability/CryptoSuite.ts"
import { type RelayIdentity, RelayPort, type RelayPortShape } from "./capability/RelayPort.ts"
import { publicKeyOf } from "./DialAddress.ts"
import type { EndpointOptions, ServerOptions } from "./EndpointOptions.ts"
import type { Identity } from "./Identity.ts"
import type { RandomBytes } from "./internal/RandomBytes.ts"
import type { BootstrapNode } from "./nat/TraversalSettings.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import { discoveryNodes, relayPlaces } from "./RelayOptions.ts"
import { RelayAddresses } from "./relay/RelayAddresses.ts"
import { identityFor } from "./TlsOptions.ts"

/** Paths of connections that may be relayed: the relay, and direct ones in both families. */
export const PATHS_WITH_RELAY = 4

/** Who the endpoint is, and its relays. */
export interface OwnAddress {
  readonly identity: Identity
  /** Its Ed25519 public key. */
  readonly publicKey: Uint8Array
  readonly signer: RelayIdentity
  /** Undefined if nobody is reached through relays. */
  readonly port: RelayPortShape | undefined
  readonly relays: ReadonlyArray<string>
  /** Where these tell their clients' addresses. */
  readonly discovery: ReadonlyArray<BootstrapNode>
}

/** Checks `identity` and `relays`; undefined without an identity. */
export const ownAddress = Effect.fnUntraced(function* (
  { identity, relays: given }: { [K in "identity" | "relays"]: EndpointOptions[K] | undefined },
  suite: CryptoSuiteShape
): Effect.fn.Return<OwnAddress | undefined, QuicError> {
  const places = yield* relayPlaces(given ?? [])
  if (identity === undefined)
    return given === undefined
      ? undefined
      : yield* invalidOption("identity", "an Ed25519 raw key, by which relays know this endpoint")
  const { key } = yield* identityFor(identity, suite, "identity")
  const publicKey = publicKeyOf(identity)
  if (publicKey === undefined)
    return yield* invalidOption("identity", "an Ed25519 raw key, as Identity.generateRawKey makes one")
  const port = Option.getOrUndefined(yield* Effect.serviceOption(RelayPort))
  if (port === undefined && places.length > 0)
    return yield* invalidOption("relays", "none without a RelayPort, which effect-quic/layers/node provides")
  const sign = (message: Uint8Array) => key.sign(SignatureScheme.ed25519, message)
  return {
    identity,
    publicKey,
    signer: { publicKey, sign },
    port,
    relays: places.map(({ url }) => url),
    discovery: discoveryNodes(places)
  }
})

/** A server of an endpoint with an identity shows that one, and asks its clients who they are. */
export const serverOf = (options: ServerOptions, own: OwnAddress | undefined): ServerOptions => {
  const { identity, transport, ...rest } = options
  if (own === undefined || identity !== undefined) return options
  const paths = own.port === undefined ? {} : { maxPaths: PATHS_WITH_RELAY }
  return {
    clientCertificate: "require",
    ...rest,
    identity: own.identity,
    transport: { ...paths, ...transport }
  }
}

/** Links the endpoint to its relays; undefined if it can use none. */
export const linkRelays = (
  actor: EndpointActor,
  own: OwnAddress | undefined,
  randomBytes: RandomBytes
): RelayLinks | undefined => {
  if (own?.port === undefined) return undefined
  const socket = new RelaySocket<Relay>(new RelayAddresses(randomBytes))
  actor.addRelays(socket)
  const random = () => randomBytes(1)[0] / 255
  return new RelayLinks(actor, { port: own.port, identity: own.signer, socket, random }, own.relays)
}
