/** The parts of a ClientHello that determine the server's response. RFC 8446 §4.1.2, §4.2 */
import { sameBytes } from "../internal/bytes.ts"
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
  /** How the client must authenticate; undefined if not requested. */
  readonly clientCertificateType: CertificateType | undefined
  readonly transportParameters: Uint8Array
  /** Whether the client accepts tickets for PSKs with a key exchange. */
  readonly resumable: boolean
  readonly wantsEarlyData: boolean
}

/** Reads extensions and records the first problem. */
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
const x509Only: ReadonlyArray<CertificateType> = ["x509"] // RFC 7250 §4.1: the default without the extension

export const readClientOffer = (hello: ClientHello, config: TlsServerConfig): ClientOffer | TlsFailure => {
  const { extensions } = hello
  const versions = readU16List(extensions.get(Extension.supported_versions) ?? new Uint8Array(0), 1)
  if (versions?.includes(TLS13) !== true)
    return failure(Alert.protocol_version, "the client does not offer TLS 1.3") // RFC 9001 §4.2 #2
  // RFC 9001 §5.3 #2: unknown cipher suites are ignored
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
  // RFC 9001 §8.1 #1 #2 #4 #5: an application protocol is mandatory
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
  // RFC 6066 §3: only host names in A-labels may be sent, no addresses
  if (serverName !== undefined && serverName.name === undefined)
    return failure(Alert.illegal_parameter, "the client's server name is not a host name")
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
  // RFC 7250 §4.2: without a common type the server does not request a certificate, or fails
  if (config.requestClientCertificate === "require" && clientCertificateType === undefined)
    return failure(Alert.unsupported_certificate, "no client certificate type in common")
  return offer
}

export interface ChosenGroup {
  readonly group: NamedGroup
  /** The client's share; undefined if a HelloRetryRequest is needed. */
  readonly share: Uint8Array | undefined
}

/**
 * The preferred common group with a key share or, failing that, the preferred common group to request. Saving a round
 * trip takes precedence over our order of preference.
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
  // RFC 8446 §4.2.8: one share per group, and only for listed groups
  if (byGroup.size !== shares.length || shares.some(([group]) => !supported.has(group)))
    return failure(Alert.illegal_parameter, "a key share appears twice, or for a group that is not listed")
  const common = ours.filter((group) => supported.has(group))
  if (common.length === 0) return failure(Alert.handshake_failure, "no key-exchange group in common")
  const group = common.find((each) => byGroup.has(each)) ?? common[0]
  return { group, share: byGroup.get(group) }
}

/** More than there are groups, of which each may have one share. RFC 8446 §4.2.8 */
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

/** Extensions that may differ in a second ClientHello. RFC 8446 §4.1.2 */
const changeable: ReadonlySet<number> = new Set([
  Extension.key_share,
  Extension.early_data,
  Extension.cookie,
  Extension.pre_shared_key,
  21 // padding
])

/** Checks a second ClientHello against the first and the HelloRetryRequest. RFC 8446 §4.1.2 */
export const checkSecondHello = (
  first: ClientHello,
  second: ClientHello,
  group: NamedGroup
): TlsFailure | undefined => {
  const shares = readShares(second.extensions.get(Extension.key_share) ?? new Uint8Array(0))
  if (shares?.length !== 1 || shares[0][0] !== group)
    return failure(
      Alert.illegal_parameter,
      "the second ClientHello does not contain exactly the requested key share"
    )
  if (second.extensions.has(Extension.early_data))
    return failure(Alert.illegal_parameter, "early data in a second ClientHello")
  const fixed = (hello: ClientHello) => [...hello.extensions].filter(([type]) => !changeable.has(type))
  const before = fixed(first)
  const after = fixed(second)
  const same =
    sameBytes(first.random, second.random) &&
    first.cipherSuites.length === second.cipherSuites.length &&
    first.cipherSuites.every((suite, i) => suite === second.cipherSuites[i]) &&
    before.length === after.length &&
    before.every(([type, body]) => {
      const again = second.extensions.get(type)
      return again !== undefined && sameBytes(body, again)
    })
  return same
    ? undefined
    : failure(Alert.illegal_parameter, "the second ClientHello changes more than is allowed")
}
