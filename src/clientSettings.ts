/** Checks the options of `connect` and fills in the defaults. */
import * as Effect from "effect/Effect"
import { Hex } from "effect/encoding"
import { checkRecord } from "./arguments.ts"
import type { TlsSettings, TransportSettings } from "./connection/ConnectionConfig.ts"
import type { ConnectOptions } from "./EndpointOptions.ts"
import { invalidOption } from "./QuicError.ts"
import { isReconnectToken, type ReconnectToken } from "./ReconnectToken.ts"
import type { SettingsContext } from "./serverSettings.ts"
import { identityFor, serverNameOf, tlsPreferences } from "./TlsOptions.ts"
import { formatIp, parseIp, unmap } from "./wire/ipAddress.ts"

type Checked = Effect.Success<ReturnType<SettingsContext["checkConnect"]>>

interface ClientSettings extends Checked {
  readonly tls: TlsSettings
  readonly transport: TransportSettings
  /** The key of the server in the `TicketStore`. */
  readonly memory: string
  readonly expectedName: string
  readonly reconnectToken: ReconnectToken | undefined
  /** The token says how long the first round trips may take, as the application does not. */
  readonly learnsRtt: boolean
}

/** By options as they were checked, which for equal ones is done once: an endpoint's connections are made alike. */
const built = new WeakMap<
  Checked,
  { readonly identity: ConnectOptions["identity"]; readonly settings: ClientSettings }
>()

export const clientSettings = Effect.fnUntraced(function* (given: ConnectOptions, context: SettingsContext) {
  yield* checkRecord(given, "options")
  const { identity, transport, reconnectToken, ...rest } = given
  if (reconnectToken !== undefined && !isReconnectToken(reconnectToken))
    return yield* invalidOption("reconnectToken", "a ReconnectToken")
  const checked = yield* context.checkConnect(rest)
  const checkedTransport = yield* context.checkTransport(transport ?? {})
  const known = built.get(checked)
  const isKnown = known?.settings.transport === checkedTransport && known.identity === identity
  const settings = isKnown ? known.settings : yield* build(checked, checkedTransport, identity, context)
  if (!isKnown) built.set(checked, { identity, settings })
  if (reconnectToken === undefined) return settings
  return { ...settings, reconnectToken, learnsRtt: transport?.initialRtt === undefined }
})

const build = Effect.fnUntraced(function* (
  checked: Checked,
  transport: TransportSettings,
  identity: ConnectOptions["identity"],
  { suite, shared }: SettingsContext
) {
  const wanted = checked.serverName ?? checked.host
  const literal = parseIp(wanted)
  const nameField = checked.serverName === undefined ? "host" : "serverName"
  // certificates have neither zones nor other notations of an address
  const expectedName =
    literal === undefined ? yield* serverNameOf(wanted, nameField) : formatIp(unmap(literal.bytes))
  const ours = identity === undefined ? undefined : yield* identityFor(identity, suite, "identity")
  const tls = {
    ...shared,
    ...(yield* tlsPreferences(checked, suite, "")),
    selectIdentity: () => ours,
    requestClientCertificate: "none" as const,
    // RFC 6066 §3: literal addresses are not permitted in SNI
    serverName: literal === undefined ? expectedName : undefined,
    expectedName
  }
  // a resumed session has the client identity of the session before it
  const self = ours === undefined ? "" : Hex.encode(suite.hash("sha256", ours.chain[0]))
  const memory = JSON.stringify([expectedName, checked.port, checked.alpn, self])
  const settings: ClientSettings = {
    ...checked,
    tls,
    transport,
    memory,
    expectedName,
    reconnectToken: undefined,
    learnsRtt: false
  }
  return settings
})
