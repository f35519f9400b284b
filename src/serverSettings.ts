/** Checks the options of a server and fills in the defaults. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CertificateVerifierShape } from "./capability/CertificateVerifier.ts"
import type { CryptoSuiteShape } from "./capability/CryptoSuite.ts"
import { ReplayGuard } from "./capability/ReplayGuard.ts"
import { TicketKeys } from "./capability/TicketKeys.ts"
import type { TransportSettings } from "./connection/ConnectionConfig.ts"
import { stillGrants } from "./connection/parameters.ts"
import { type connectSettings, type ServerOptions, ServerSchema } from "./EndpointOptions.ts"
import type { EarlyDataRequest } from "./handshake/TlsSession.ts"
import type { RandomBytes } from "./internal/RandomBytes.ts"
import type { QuicError } from "./QuicError.ts"
import { check, checkServerTransport, type TransportOptions } from "./QuicOptions.ts"
import * as Resumption from "./Resumption.ts"
import { identitySelector, tlsPreferences } from "./TlsOptions.ts"

/** What the settings are built from. */
export interface SettingsContext {
  readonly suite: CryptoSuiteShape
  readonly randomBytes: RandomBytes
  /** Unix time. */
  readonly nowMillis: () => number
  /** client: `transport` and the other options of a connection, each checked unless they are those of the last one. */
  readonly checkTransport: (options: TransportOptions) => Effect.Effect<TransportSettings, QuicError>
  readonly checkConnect: (options: object) => Effect.Effect<ReturnType<typeof connectSettings>, QuicError>
  /** The same for both roles. */
  readonly shared: {
    readonly peerCertificateTypes: CertificateVerifierShape["certificateTypes"]
    readonly keyLog: boolean
  }
}

export const serverSettings = Effect.fnUntraced(function* (given: ServerOptions, context: SettingsContext) {
  const { suite, shared } = context
  const { identity, transport, ...rest } = given
  const checked = yield* check(ServerSchema, rest, "server.")
  const checkedTransport = yield* checkServerTransport(transport)
  const tickets = yield* ticketSettings(checked, checkedTransport, context)
  return {
    transport: checkedTransport,
    ...(tickets !== undefined && { tickets }),
    preferredAddress: checked.preferredAddress,
    retry: checked.retry ?? ("underLoad" as const),
    tls: {
      ...shared,
      ...(yield* tlsPreferences(checked, suite, "server.")),
      selectIdentity: yield* identitySelector(identity, suite, "server.identity"),
      requestClientCertificate: checked.clientCertificate ?? ("none" as const),
      serverName: undefined,
      expectedName: undefined
    }
  }
})

export type ServerSettings = Effect.Success<ReturnType<typeof serverSettings>>

/** For connections that nobody reads from: the peer may send nothing that would be kept. */
export const forDiscovery = (settings: ServerSettings): ServerSettings => ({
  ...settings,
  transport: {
    ...settings.transport,
    maxBidirectionalStreams: 0,
    maxUnidirectionalStreams: 0,
    maxDatagramFrameBytes: 0,
    addressDiscovery: "provide"
  }
})

const ticketSettings = Effect.fnUntraced(function* (
  { ticketLifetime = "1 day", earlyData = false }: typeof ServerSchema.Type,
  settings: TransportSettings,
  { suite, randomBytes, nowMillis }: SettingsContext
) {
  const ticketLifetimeSeconds = Math.ceil(Duration.toSeconds(ticketLifetime))
  if (ticketLifetimeSeconds === 0) return undefined
  const makeKeys = () => Resumption.defaults.keys(suite, randomBytes)
  const keys = Option.getOrElse(yield* Effect.serviceOption(TicketKeys), makeKeys)
  const makeGuard = () => Resumption.makeReplayGuard(nowMillis())
  const guard = Option.getOrElse(yield* Effect.serviceOption(ReplayGuard), makeGuard)
  const acceptEarlyData = ({ binder, earliestMillis, transportParameters }: EarlyDataRequest) =>
    stillGrants(transportParameters, settings) && guard.admit(binder, earliestMillis, nowMillis())
  return {
    nowMillis,
    ticketLifetimeSeconds,
    sealTicket: (plaintext: Uint8Array) => keys.seal(plaintext, nowMillis()),
    openTicket: (identity: Uint8Array) => keys.open(identity, nowMillis()),
    ...(earlyData && { acceptEarlyData })
  }
})
