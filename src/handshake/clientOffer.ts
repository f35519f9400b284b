/** What a ClientHello asks for, as far as it concerns the server's answer. RFC 8446 §4.1.2, §4.2 */
import type { CertificateType } from "../capability/CertificateVerifier.ts"
import type { NamedGroup } from "../capability/CryptoSuite.ts"
import { type CipherSuite, cipherSuites } from "../protect/CipherSuite.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { Alert, failure, type TlsFailure } from "./alerts.ts"
import {
  Extension,
  type Extensions,
  readCertificateTypes,
  readServerName,
  readU16List,
  type ReceivedName,
  TLS13
} from "./extensions.ts"
import type { ClientHello } from "./messages.ts"
import { readPskModes } from "./preSharedKey.ts"
import { ProtocolNames } from "./ProtocolNames.ts"
import type { TlsServerConfig } from "./TlsSession.ts"

export interface ClientOffer {
  readonly cipher: CipherSuite
  readonly alpn: string
  readonly serverName: string | undefined
  readonly signatureSchemes: ReadonlyArray<number>
  readonly serverCertificateTypes: ReadonlyArray<CertificateType>
  /** The form in which the client is to authenticate; undefined when it is not asked to. */
  readonly clientCertificateType: CertificateType | undefined
  readonly transportParameters: Uint8Array
  /** The client takes tickets for PSKs with a key exchange. */
  readonly resumable: boolean
  readonly wantsEarlyData: boolean
}

/** Reads extensions one after another and keeps the first thing that is wrong with them. */
class OfferReader {
  problem: TlsFailure | undefined = undefined
  private readonly extensions: Extensions

  constructor(extensions: Extensions) {
    this.extensions = extensions
  }

  required<A>(type: number, name: string, read: (body: Uint8Array) => A | undefined, fallback: A): A {
    if (!this.extensions.has(type))
      this.problem ??= failure(Alert.missing_extension, `the client sent no ${name}`)
    return this.optional(type, name, read, fallback)
  }

  optional<A>(type: number, name: string, read: (body: Uint8Array) => A | undefined, fallback: A): A {
    const body = this.extensions.get(type)
    if (body === undefined) return fallback
    const value = read(body)
    if (value === undefined) this.problem ??= failure(Alert.decode_error, `the client's ${name} is malformed`)
    return value ?? fallback
  }
}

const u16List = (body: Uint8Array) => readU16List(body, 2)
const x509Only: ReadonlyArray<CertificateType> = ["x509"] // RFC 7250 §4.1: what leaving the extension out means

export const readClientOffer = (hello: ClientHello, config: TlsServerConfig): ClientOffer | TlsFailure => {
  const { extensions } = hello
  const versions = readU16List(extensions.get(Extension.supported_versions) ?? new Uint8Array(0), 1)
  if (versions?.includes(TLS13) !== true)
    return failure(Alert.protocol_version, "the client does not offer TLS 1.3") // RFC 9001 §4.2 #2
  // RFC 9001 §5.3 #2: what nobody here knows is passed over
  const codepoint = config.cipherSuites.find((ours) => hello.cipherSuites.includes(ours))
  const cipher = codepoint === undefined ? undefined : cipherSuites.get(codepoint)
  if (cipher === undefined) return failure(Alert.handshake_failure, "no cipher suite in common")

  const fields = new OfferReader(extensions)
  const protocols = fields.optional<ProtocolNames | undefined>(
    Extension.alpn,
    "ALPN",
    ProtocolNames.read,
    undefined
  )
  // RFC 9001 §8.1 #1 #2 #4 #5: QUIC has no connection without an application protocol
  const alpn = config.alpn.find((ours) => protocols?.includes(ours))
  if (fields.problem === undefined && alpn === undefined)
    return failure(
      Alert.no_application_protocol,
      `no application protocol in common: the client offers ${protocols ?? "none"}`
    )
  const clientTypes = fields.optional(
    Extension.client_certificate_type,
    "certificate types",
    readCertificateTypes,
    x509Only
  )
  const clientCertificateType =
    config.requestClientCertificate === "none"
      ? undefined
      : config.peerCertificateTypes.find((type) => clientTypes.includes(type))
  const serverName = fields.optional<ReceivedName | undefined>(
    Extension.server_name,
    "server name",
    readServerName,
    undefined
  )
  // RFC 6066 §3: what is no host name in A-labels, an address for instance, was never to be sent
  if (serverName !== undefined && serverName.name === undefined)
    return failure(Alert.illegal_parameter, "the client names the server by what is no host name")
  const offer: ClientOffer = {
    cipher,
    alpn: alpn!,
    serverName: serverName?.name,
    signatureSchemes: fields.required(Extension.signature_algorithms, "signature algorithms", u16List, []),
    serverCertificateTypes: fields.optional(
      Extension.server_certificate_type,
      "certificate types",
      readCertificateTypes,
      x509Only
    ),
    clientCertificateType,
    // RFC 9001 §8.2 #1
    transportParameters: fields.required(
      Extension.quic_transport_parameters,
      "transport parameters",
      (body) => body.slice(),
      new Uint8Array(0)
    ),
    resumable: fields.optional(Extension.psk_key_exchange_modes, "PSK modes", readPskModes, false),
    wantsEarlyData: fields.optional(
      Extension.early_data,
      "early data",
      (body) => (body.length === 0 ? true : undefined),
      false
    )
  }
  if (fields.problem !== undefined) return fields.problem
  // RFC 7250 §4.2: with nothing in common the server does not ask, or gives up
  if (config.requestClientCertificate === "require" && clientCertificateType === undefined)
    return failure(Alert.unsupported_certificate, "the client authenticates in no form we take")
  return offer
}

export interface ChosenGroup {
  readonly group: NamedGroup
  /** The client's share; undefined when it must be asked for. */
  readonly share: Uint8Array | undefined
}

/**
 * The best group both know for which the client sent a share; without one, the best group to ask for. Sparing a
 * round trip goes before our order of preference.
 */
export const chooseGroup = (
  extensions: Extensions,
  ours: ReadonlyArray<NamedGroup>
): ChosenGroup | TlsFailure => {
  const fields = new OfferReader(extensions)
  const supported = new Set(fields.required(Extension.supported_groups, "groups", u16List, []))
  const shares = fields.required(Extension.key_share, "key shares", readShares, [])
  if (fields.problem !== undefined) return fields.problem
  if (shares.length > MAX_SHARES)
    return failure(Alert.illegal_parameter, `more than ${MAX_SHARES} key shares`)
  const byGroup = new Map(shares)
  // RFC 8446 §4.2.8: one share a group, and only for groups listed
  if (byGroup.size !== shares.length || shares.some(([group]) => !supported.has(group)))
    return failure(Alert.illegal_parameter, "a key share appears twice, or for a group that is not listed")
  const common = ours.filter((group) => supported.has(group))
  if (common.length === 0) return failure(Alert.handshake_failure, "no key-exchange group in common")
  const group = common.find((each) => byGroup.has(each)) ?? common[0]
  return { group, share: byGroup.get(group) }
}

/** There are not as many groups, and each is worth one share at most. RFC 8446 §4.2.8 */
const MAX_SHARES = 32

const readShares = (body: Uint8Array): ReadonlyArray<readonly [number, Uint8Array]> | undefined => {
  const r = new ByteReader(body)
  if (r.u16() !== r.remaining || r.failed) return undefined
  const shares: Array<readonly [number, Uint8Array]> = []
  while (r.remaining > 0) {
    const group = r.u16()
    const share = r.take(r.u16())
    if (r.failed || share.length === 0) return undefined
    shares.push([group, share])
    if (shares.length > MAX_SHARES) break
  }
  return shares
}

/** What a second ClientHello may change. RFC 8446 §4.1.2 */
const changeable: ReadonlySet<number> = new Set([
  Extension.key_share,
  Extension.early_data,
  Extension.cookie,
  Extension.pre_shared_key,
  21 // padding
])

/** Checks a ClientHello against the one before it and the HelloRetryRequest between them. RFC 8446 §4.1.2 */
export const checkSecondHello = (
  first: ClientHello,
  second: ClientHello,
  group: NamedGroup
): TlsFailure | undefined => {
  const shares = readShares(second.extensions.get(Extension.key_share) ?? new Uint8Array(0))
  if (shares?.length !== 1 || shares[0][0] !== group)
    return failure(Alert.illegal_parameter, "the second ClientHello has not the one share that was asked for")
  if (second.extensions.has(Extension.early_data))
    return failure(Alert.illegal_parameter, "early data in a second ClientHello")
  const fixed = (hello: ClientHello) => [...hello.extensions].filter(([type]) => !changeable.has(type))
  const before = fixed(first)
  const after = fixed(second)
  const same =
    equalBytes(first.random, second.random) &&
    first.cipherSuites.length === second.cipherSuites.length &&
    first.cipherSuites.every((suite, i) => suite === second.cipherSuites[i]) &&
    before.length === after.length &&
    before.every(([type, body]) => equalBytes(body, second.extensions.get(type)))
  return same
    ? undefined
    : failure(Alert.illegal_parameter, "the second ClientHello changes more than was asked for")
}

const equalBytes = (a: Uint8Array, b: Uint8Array | undefined): boolean => {
  if (a.length !== b?.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
