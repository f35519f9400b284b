/** Encoding and decoding of handshake messages. RFC 8446 §4 */
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { Alert, failure, isFailure, type TlsFailure, violation } from "./alerts.ts"
import { type Extensions, readExtensions, writeExtensions } from "./extensions.ts"

export const HandshakeType = {
  client_hello: 1,
  server_hello: 2,
  new_session_ticket: 4,
  end_of_early_data: 5,
  encrypted_extensions: 8,
  certificate: 11,
  certificate_request: 13,
  certificate_verify: 15,
  finished: 20,
  key_update: 24,
  message_hash: 254
} as const

/** The failure for a message not allowed in `state`. */
export const unexpected = (type: number, state: string): TlsFailure => {
  const name = Object.entries(HandshakeType).find(([, value]) => value === type)?.[0] ?? `message ${type}`
  return failure(Alert.unexpected_message, `${name} while ${state}`)
}

const LEGACY_VERSION = 0x0303
export const RANDOM_BYTES = 32

/** SHA-256 of "HelloRetryRequest", the random that identifies one. RFC 8446 §4.1.3 */
export const retryRandom = Uint8Array.from(
  "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c".match(/../g)!,
  (byte) => Number.parseInt(byte, 16)
)

/** Prepends type and length to a body. */
export const message = (type: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const w = new ByteWriter(new Uint8Array(4 + size))
  w.u8(type)
  w.u24(size)
  for (const part of parts) w.copy(part)
  return w.bytes
}

const body = (bytes: Uint8Array): ByteReader => new ByteReader(bytes, 4)

const malformed = (name: string): TlsFailure => failure(Alert.decode_error, `${name} is malformed`)

export interface ClientHello {
  readonly random: Uint8Array
  readonly cipherSuites: ReadonlyArray<number>
  readonly extensions: Extensions
}

export const writeClientHello = (
  random: Uint8Array,
  cipherSuites: ReadonlyArray<number>,
  extensions: ReadonlyArray<readonly [number, Uint8Array]>
): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(2 + RANDOM_BYTES + 1 + 2 + 2 * cipherSuites.length + 2))
  w.u16(LEGACY_VERSION)
  w.copy(random)
  w.u8(0) // RFC 9001 §8.4 #1: no compatibility mode, so no session ID
  w.u16(2 * cipherSuites.length)
  for (const suite of cipherSuites) w.u16(suite)
  w.u8(1)
  w.u8(0)
  return message(HandshakeType.client_hello, w.bytes, writeExtensions(extensions))
}

export const readClientHello = (bytes: Uint8Array): ClientHello | TlsFailure => {
  const r = body(bytes)
  const version = r.u16()
  const random = r.take(RANDOM_BYTES)
  const sessionId = r.take(r.u8())
  const suiteBytes = r.u16()
  if (r.failed || suiteBytes % 2 !== 0 || suiteBytes > r.remaining) return malformed("ClientHello")
  const cipherSuites: Array<number> = []
  for (let i = 0; i < suiteBytes; i += 2) cipherSuites.push(r.u16())
  const compression = r.take(r.u8())
  if (r.failed) return malformed("ClientHello")
  if (version !== LEGACY_VERSION)
    return failure(Alert.protocol_version, "ClientHello with another legacy version")
  // RFC 9001 §8.4 #S1
  if (sessionId.length > 0)
    return violation(Alert.illegal_parameter, "ClientHello requests compatibility mode")
  // RFC 8446 §4.1.2
  if (compression.length !== 1 || compression[0] !== 0)
    return failure(Alert.illegal_parameter, "ClientHello offers compression")
  const extensions = readExtensions(r, "CH")
  return isFailure(extensions) ? extensions : { random, cipherSuites, extensions }
}

export interface ServerHello {
  readonly random: Uint8Array
  readonly cipherSuite: number
  readonly extensions: Extensions
  readonly isRetry: boolean
}

export const writeServerHello = (
  random: Uint8Array,
  cipherSuite: number,
  extensions: ReadonlyArray<readonly [number, Uint8Array]>
): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(2 + RANDOM_BYTES + 1 + 2 + 1))
  w.u16(LEGACY_VERSION)
  w.copy(random)
  w.u8(0)
  w.u16(cipherSuite)
  w.u8(0)
  return message(HandshakeType.server_hello, w.bytes, writeExtensions(extensions))
}

export const readServerHello = (bytes: Uint8Array): ServerHello | TlsFailure => {
  const r = body(bytes)
  const version = r.u16()
  const random = r.take(RANDOM_BYTES)
  const sessionId = r.take(r.u8())
  const cipherSuite = r.u16()
  const compression = r.u8()
  if (r.failed) return malformed("ServerHello")
  if (version !== LEGACY_VERSION)
    return failure(Alert.illegal_parameter, "ServerHello with another legacy version")
  if (sessionId.length > 0)
    return failure(Alert.illegal_parameter, "ServerHello echoes a session ID that was not sent")
  if (compression !== 0) return failure(Alert.illegal_parameter, "ServerHello chose compression")
  const isRetry = random.every((byte, i) => byte === retryRandom[i])
  const extensions = readExtensions(r, isRetry ? "HRR" : "SH")
  return isFailure(extensions) ? extensions : { random, cipherSuite, extensions, isRetry }
}

export const writeEncryptedExtensions = (
  extensions: ReadonlyArray<readonly [number, Uint8Array]>
): Uint8Array => message(HandshakeType.encrypted_extensions, writeExtensions(extensions))

export const readEncryptedExtensions = (bytes: Uint8Array): Extensions | TlsFailure =>
  readExtensions(body(bytes), "EE")

/** The context is empty during the handshake. RFC 8446 §4.3.2 */
export const writeCertificateRequest = (
  extensions: ReadonlyArray<readonly [number, Uint8Array]>
): Uint8Array => message(HandshakeType.certificate_request, Uint8Array.of(0), writeExtensions(extensions))

export const readCertificateRequest = (bytes: Uint8Array): Extensions | TlsFailure => {
  const r = body(bytes)
  const context = r.take(r.u8())
  if (r.failed) return malformed("CertificateRequest")
  if (context.length > 0)
    return failure(Alert.illegal_parameter, "CertificateRequest with a context in the handshake")
  return readExtensions(r, "CR")
}

/** Maximum length of a certificate chain. */
const MAX_CHAIN = 10

export const writeCertificate = (chain: ReadonlyArray<Uint8Array>): Uint8Array => {
  const size = chain.reduce((sum, entry) => sum + 3 + entry.length + 2, 0)
  const w = new ByteWriter(new Uint8Array(1 + 3 + size))
  w.u8(0)
  w.u24(size)
  for (const entry of chain) {
    w.u24(entry.length)
    w.copy(entry)
    w.u16(0)
  }
  return message(HandshakeType.certificate, w.bytes)
}

/** The entries, leaf first; possibly none. RFC 8446 §4.4.2 */
export const readCertificate = (bytes: Uint8Array): ReadonlyArray<Uint8Array> | TlsFailure => {
  const r = body(bytes)
  const context = r.take(r.u8())
  if (r.u24() !== r.remaining || r.failed) return malformed("Certificate")
  if (context.length > 0)
    return failure(Alert.illegal_parameter, "Certificate with a context in the handshake")
  const chain: Array<Uint8Array> = []
  while (r.remaining > 0) {
    const entry = r.take(r.u24())
    const extensions = r.take(r.u16())
    if (r.failed || entry.length === 0) return malformed("Certificate")
    // RFC 8446 §4.4.2: entry extensions respond to ours, and we send none
    if (extensions.length > 0)
      return failure(Alert.unsupported_extension, "Certificate entry with an extension")
    if (chain.length === MAX_CHAIN)
      return failure(Alert.bad_certificate, `more than ${MAX_CHAIN} certificates`)
    chain.push(entry.slice())
  }
  return chain
}

export const writeCertificateVerify = (scheme: number, signature: Uint8Array): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(4 + signature.length))
  w.u16(scheme)
  w.u16(signature.length)
  w.copy(signature)
  return message(HandshakeType.certificate_verify, w.bytes)
}

export const readCertificateVerify = (
  bytes: Uint8Array
): { readonly scheme: number; readonly signature: Uint8Array } | TlsFailure => {
  const r = body(bytes)
  const scheme = r.u16()
  const signature = r.take(r.u16())
  return r.failed || r.remaining > 0 ? malformed("CertificateVerify") : { scheme, signature }
}
