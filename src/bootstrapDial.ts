/** How an endpoint connects to the nodes that tell its address. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { BootstrapConnection, DialBootstrap, Family } from "./actor/BootstrapLink.ts"
import { dial, type DialedServer, type DialSettings } from "./actor/dial.ts"
import type { Surroundings } from "./actor/destinations.ts"
import type { CertificateVerifierShape } from "./capability/CertificateVerifier.ts"
import type { RelayPortShape } from "./capability/RelayPort.ts"
import { clientSettings } from "./clientSettings.ts"
import { spkiOf } from "./internal/ed25519.ts"
import type { BootstrapNode } from "./nat/TraversalSettings.ts"
import type { SettingsContext } from "./serverSettings.ts"
import * as Trust from "./Trust.ts"

/** Often enough for the bindings of NATs, which also keeps the address true that the node tells. RFC 4787 §4.3 */
const KEEP_ALIVE_MILLIS = 15_000

/** The node may send nothing but what the transport sends. */
const transport = {
  keepAliveInterval: KEEP_ALIVE_MILLIS,
  maxIdleTimeout: 2 * KEEP_ALIVE_MILLIS,
  maxBidirectionalStreams: 0,
  maxUnidirectionalStreams: 0,
  addressDiscovery: "receive"
} as const

export const bootstrapDial =
  (
    settings: DialSettings<BootstrapConnection>,
    alpn: string,
    context: SettingsContext,
    relays: RelayPortShape | undefined
  ): DialBootstrap =>
  ({ node, family }, peer) =>
    Effect.gen(function* () {
      const { host, port } = node
      const server = yield* clientSettings({ host, port, alpn: [alpn], transport }, context)
      const verifier = yield* verifierOf(node, relays)
      const trusting = verifier === undefined ? server : trustingIn(server, verifier)
      const resolver = inFamily(settings.resolver, family)
      return yield* dial({ ...settings, resolver }, trusting, false, peer)
    })

/** Undefined if the endpoint's decides. */
const verifierOf = (
  { publicKey, relay }: BootstrapNode,
  relays: RelayPortShape | undefined
): Effect.Effect<CertificateVerifierShape | undefined> => {
  if (publicKey !== undefined) return Effect.succeed(Trust.rawKeys([spkiOf(publicKey)]))
  const ofRelay = relay === undefined ? undefined : relays?.discoveryVerifier?.(relay)
  return ofRelay ?? Effect.undefined
}

const trustingIn = (server: DialedServer, verifier: CertificateVerifierShape): DialedServer => ({
  ...server,
  verifier,
  tls: { ...server.tls, peerCertificateTypes: verifier.certificateTypes }
})

const inFamily = (resolver: Surroundings["resolver"], family: Family): Surroundings["resolver"] =>
  family === undefined
    ? resolver
    : Option.map(resolver, (all) => ({
        ...all,
        resolve: (target: Parameters<typeof all.resolve>[0]) =>
          all.resolve(target as never, { family: family === 4 ? "IPv4" : "IPv6" }) as never
      }))
