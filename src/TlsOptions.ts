/**
 * The TLS options of clients and servers, checked against what the `CryptoSuite` supports.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import {
  type AeadAlgorithm,
  type CryptoSuiteShape,
  NamedGroup,
  type SigningKey
} from "./capability/CryptoSuite.ts"
import type { TlsSettings } from "./connection/ConnectionConfig.ts"
import { toServerName } from "./handshake/serverName.ts"
import type { TlsIdentity } from "./handshake/TlsSession.ts"
import { type Identity, isIdentity } from "./Identity.ts"
import { cipherSuites as knownSuites } from "./protect/CipherSuite.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"

const codeOf = (aead: AeadAlgorithm): number =>
  [...knownSuites.values()].find((suite) => suite.aead === aead)!.codepoint

const atLeastOne = <S extends Schema.Constraint>(item: S) => Schema.Array(item).check(Schema.isMinLength(1))

const groupNames = atLeastOne(Schema.Literals(["x25519MlKem768", "x25519", "secp256r1", "secp384r1"]))

/** The TLS options of both roles. */
export const TlsPreferences = {
  /** Application protocols, best first: at least one, each 1 to 255 bytes. RFC 7301 */
  alpn: atLeastOne(Schema.String.check(Schema.isBetweenLength(1, 255))),
  /** Cipher suites, best first. Default `["aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"]`. RFC 9001 §5.3 */
  cipherSuites: Schema.optionalKey(
    atLeastOne(Schema.Literals(["aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"]))
  ),
  /**
   * Key exchange groups, best first. Default: all groups of the `CryptoSuite`. A group it does not support fails with
   * `InvalidOption`. RFC 8446 §4.2.7
   */
  groups: Schema.optionalKey(groupNames)
}

/**
 * Client only: the `groups` to send key shares for in the first flight. Default the best of `groups`, and x25519.
 *
 * Each costs a key pair and space in the first flight, 1216 bytes for x25519MlKem768. A server that supports none of them
 * asks for another with a HelloRetryRequest, one more round trip. A group that is not in `groups` fails with
 * `InvalidOption`. RFC 8446 §4.2.8
 */
export const keyShareGroups = Schema.optionalKey(groupNames.check(Schema.isUnique()))

interface Preferences {
  readonly alpn: ReadonlyArray<string>
  readonly cipherSuites?: ReadonlyArray<AeadAlgorithm>
  readonly groups?: ReadonlyArray<keyof typeof NamedGroup>
  readonly keyShareGroups?: ReadonlyArray<keyof typeof NamedGroup>
}

const defaultCipherSuites = ["aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"] as const

export const tlsPreferences = (
  { alpn, cipherSuites = defaultCipherSuites, groups, keyShareGroups }: Preferences,
  suite: CryptoSuiteShape,
  prefix: string
): Effect.Effect<Pick<TlsSettings, "alpn" | "cipherSuites" | "groups" | "keyShareGroups">, QuicError> => {
  const missing = groups?.find((name) => !suite.groups.includes(NamedGroup[name]))
  if (missing !== undefined)
    return invalidOption(`${prefix}groups`, `the ${suite.name} CryptoSuite does not support ${missing}`)
  const offered = groups?.map((name) => NamedGroup[name]) ?? suite.groups
  const unoffered = keyShareGroups?.find((name) => !offered.includes(NamedGroup[name]))
  return unoffered !== undefined
    ? invalidOption(`${prefix}keyShareGroups`, `${unoffered} is not one of the offered groups`)
    : Effect.succeed({
        alpn,
        cipherSuites: cipherSuites.map(codeOf),
        groups: offered,
        keyShareGroups: keyShareGroups?.map((name) => NamedGroup[name])
      })
}

/** The server name for SNI and the certificate check. RFC 6066 §3 */
export const serverNameOf = (host: string, field: string): Effect.Effect<string, QuicError> => {
  const name = toServerName(host)
  return name === undefined
    ? invalidOption(field, `${JSON.stringify(host.slice(0, 64))} is neither a host name nor an IP address`)
    : Effect.succeed(name)
}

/** Private keys ready to sign; each is imported once. */
const imported = new WeakMap<
  Redacted.Redacted<Uint8Array>,
  { readonly suite: CryptoSuiteShape; readonly key: SigningKey }
>()

/** Undefined if the suite cannot sign with this key. */
const importKey = (
  privateKey: Redacted.Redacted<Uint8Array>,
  suite: CryptoSuiteShape
): SigningKey | undefined => {
  const known = imported.get(privateKey)
  if (known?.suite === suite) return known.key
  const key = suite.signingKey(Redacted.value(privateKey))
  if (key !== undefined) imported.set(privateKey, { suite, key })
  return key
}

const importedIdentity = (
  { certificateType: kind, chain, privateKey }: Identity,
  suite: CryptoSuiteShape
): TlsIdentity | undefined => {
  const key = importKey(privateKey, suite)
  return key && { kind, chain, key }
}

/** An identity in the form TLS uses, with its key ready to sign. */
export const identityFor = (
  identity: Identity | undefined,
  suite: CryptoSuiteShape,
  field: string
): Effect.Effect<TlsIdentity, QuicError> => {
  if (identity === undefined || !isIdentity(identity))
    return invalidOption(field, "an Identity, made by a function of Identity or NodeIdentity")
  const ready = importedIdentity(identity, suite)
  return ready === undefined
    ? invalidOption(field, `the ${suite.name} CryptoSuite cannot sign with this key`)
    : Effect.succeed(ready)
}

/** One identity, or a choice by SNI. */
export const identitySelector = (
  identity: Identity | ((serverName: string | undefined) => Identity | undefined) | undefined,
  suite: CryptoSuiteShape,
  field: string
): Effect.Effect<TlsSettings["selectIdentity"], QuicError> => {
  if (typeof identity !== "function")
    return Effect.map(identityFor(identity, suite, field), (only) => () => only)
  return Effect.succeed((serverName) => {
    const chosen = identity(serverName)
    if (chosen === undefined) return undefined
    if (!isIdentity(chosen)) throw new TypeError(`${field} returned neither an Identity nor undefined`)
    return importedIdentity(chosen, suite)
  })
}
