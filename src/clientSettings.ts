/** Checks the options of `connect` and fills in the defaults. */
import * as Effect from "effect/Effect"
import { Hex } from "effect/encoding"
import { checkRecord } from "./arguments.ts"
import type { ConnectOptions } from "./EndpointOptions.ts"
import { invalidOption } from "./QuicError.ts"
import { isReconnectToken } from "./ReconnectToken.ts"
import type { SettingsContext } from "./serverSettings.ts"
import { identityFor, serverNameOf, tlsPreferences } from "./TlsOptions.ts"
import { formatIp, parseIp, unmap } from "./wire/ipAddress.ts"

export const clientSettings = Effect.fnUntraced(function* (
  given: ConnectOptions,
  { suite, shared, ...checks }: SettingsContext
) {
  yield* checkRecord(given, "options")
  const { identity, transport, reconnectToken, ...rest } = given
  if (reconnectToken !== undefined && !isReconnectToken(reconnectToken))
    return yield* invalidOption("reconnectToken", "a ReconnectToken")
  const checked = yield* checks.checkConnect(rest)
  const checkedTransport = yield* checks.checkTransport(transport ?? {})
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
  return {
    ...checked,
    tls,
    transport: checkedTransport,
    memory,
    expectedName,
    reconnectToken,
    learnsRtt: transport?.initialRtt === undefined
  }
})
