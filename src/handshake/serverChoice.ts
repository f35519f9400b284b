/** Checks the server's selections against the client's offer. RFC 8446 §4.1.3, §4.3.1 */
import type { CertificateType } from "../capability/CertificateVerifier.ts"
import { type CipherSuite, cipherSuites } from "../protect/CipherSuite.ts"
import { Alert, failure, type TlsFailure } from "./alerts.ts"
import { certificateKind, Extension, type Extensions, readU16, TLS13 } from "./extensions.ts"
import { ProtocolNames } from "./ProtocolNames.ts"
import { RANDOM_BYTES, type ServerHello } from "./messages.ts"
import type { PskOffer } from "./PskOffer.ts"
import type { TlsClientConfig } from "./TlsSession.ts"

/** "DOWNGRD", followed by a version: ends the random of a server downgraded from TLS 1.3. RFC 8446 §4.1.3 */
const downgrade = Uint8Array.of(0x44, 0x4f, 0x57, 0x4e, 0x47, 0x52, 0x44)

const isDowngrade = (random: Uint8Array): boolean =>
  downgrade.every((byte, i) => random[RANDOM_BYTES - 8 + i] === byte) && random[RANDOM_BYTES - 1] <= 1

/** Checks a ServerHello or HelloRetryRequest; `settled` is the cipher suite of an earlier HelloRetryRequest. */
export const checkServerHello = (
  { random, cipherSuite, extensions, isRetry }: ServerHello,
  config: TlsClientConfig,
  settled: CipherSuite | undefined,
  psk: PskOffer | undefined
): TlsFailure | undefined => {
  const version = extensions.get(Extension.supported_versions)
  if (version === undefined)
    return isDowngrade(random)
      ? failure(Alert.illegal_parameter, "downgrade from TLS 1.3 detected")
      : failure(Alert.protocol_version, "the server does not support TLS 1.3") // RFC 9001 §4.2 #2
  if (readU16(version) !== TLS13)
    return failure(Alert.illegal_parameter, "the server chose a version that was not offered")
  const cipher = cipherSuites.get(cipherSuite)
  if (cipher === undefined || !config.cipherSuites.includes(cipherSuite))
    return failure(Alert.illegal_parameter, "the server chose a cipher suite that was not offered")
  // RFC 8446 §4.1.4
  if (settled !== undefined && settled !== cipher)
    return failure(Alert.illegal_parameter, "the server changed the cipher suite after HelloRetryRequest")
  if (isRetry) return undefined
  if (!extensions.has(Extension.key_share))
    return failure(Alert.missing_extension, "ServerHello without a key share")
  const selected = extensions.get(Extension.pre_shared_key)
  if (selected === undefined) return undefined
  if (psk === undefined)
    return failure(Alert.unsupported_extension, "the server resumes a session that was not offered")
  // RFC 8446 §4.2.11: the offered PSK, with a cipher suite of the same hash
  return readU16(selected) === 0 && psk.cipher.hash === cipher.hash
    ? undefined
    : failure(Alert.illegal_parameter, "the server resumes a session that was not offered")
}

export interface ServerChoice {
  readonly alpn: string
  readonly transportParameters: Uint8Array
  readonly serverCertificateType: CertificateType
  readonly clientCertificateType: CertificateType
  readonly earlyData: boolean
}

/** Reads EncryptedExtensions. RFC 8446 §4.3.1 */
export const readServerChoice = (
  extensions: Extensions,
  config: TlsClientConfig,
  earlyDataOffered: boolean,
  resumed: boolean
): ServerChoice | TlsFailure => {
  const problem =
    checkAcknowledgement(extensions, Extension.server_name, config.serverName !== undefined) ??
    checkAcknowledgement(extensions, Extension.early_data, earlyDataOffered) ??
    checkCertificateType(extensions, Extension.server_certificate_type, serverTypes(config)) ??
    checkCertificateType(extensions, Extension.client_certificate_type, clientTypes(config))
  if (problem !== undefined) return problem
  // RFC 9000 §7 #2
  const protocols = extensions.get(Extension.alpn)
  // RFC 9001 §8.1 #2 #3
  if (protocols === undefined)
    return failure(Alert.no_application_protocol, "the server chose none of our application protocols")
  const chosen = ProtocolNames.read(protocols)
  if (chosen?.count !== 1) return failure(Alert.decode_error, "the server's ALPN is malformed")
  const alpn = config.alpn.find((ours) => chosen.includes(ours))
  // RFC 9001 §8.1 #3 #6
  if (alpn === undefined)
    return failure(
      Alert.no_application_protocol,
      "the server chose an application protocol that was not offered"
    )
  const parameters = extensions.get(Extension.quic_transport_parameters)
  // RFC 9001 §8.2 #1
  if (parameters === undefined)
    return failure(Alert.missing_extension, "the server sent no transport parameters")
  const serverCertificateType = typeOf(extensions, Extension.server_certificate_type)
  // a resuming server sends no certificate, so it may omit the type
  if (!resumed && !config.peerCertificateTypes.includes(serverCertificateType))
    return failure(Alert.unsupported_certificate, "the server's certificate type is not accepted")
  return {
    alpn,
    transportParameters: parameters.slice(),
    serverCertificateType,
    clientCertificateType: typeOf(extensions, Extension.client_certificate_type),
    earlyData: extensions.has(Extension.early_data)
  }
}

/** The types listed in our ClientHello; empty if the extension is omitted. */
const serverTypes = ({ peerCertificateTypes }: TlsClientConfig): ReadonlyArray<CertificateType> =>
  peerCertificateTypes.includes("rawPublicKey") ? peerCertificateTypes : []
const clientTypes = ({ identity }: TlsClientConfig): ReadonlyArray<CertificateType> =>
  identity?.kind === "rawPublicKey" ? ["rawPublicKey"] : []

/** Checks an extension that must be empty, and present only if offered. */
const checkAcknowledgement = (
  extensions: Extensions,
  type: number,
  offered: boolean
): TlsFailure | undefined => {
  const body = extensions.get(type)
  if (body === undefined) return undefined
  if (!offered) return failure(Alert.unsupported_extension, `unsolicited extension ${type}`)
  return body.length === 0 ? undefined : failure(Alert.decode_error, `extension ${type} must be empty`)
}

const checkCertificateType = (
  extensions: Extensions,
  type: number,
  offered: ReadonlyArray<CertificateType>
): TlsFailure | undefined => {
  const body = extensions.get(type)
  if (body === undefined) return undefined
  if (offered.length === 0)
    return failure(Alert.unsupported_extension, "the server sent an unsolicited certificate type")
  if (body.length !== 1) return failure(Alert.decode_error, "the certificate type is malformed")
  const kind = certificateKind(body[0])
  return kind !== undefined && offered.includes(kind)
    ? undefined
    : failure(Alert.illegal_parameter, "the server chose a certificate type that was not offered")
}

/** RFC 7250 §4.2: X.509 is the default. */
const typeOf = (extensions: Extensions, type: number): CertificateType =>
  (extensions.has(type) ? certificateKind(extensions.get(type)![0]) : undefined) ?? "x509"
