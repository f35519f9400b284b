/** TLS extensions: codepoints, the list, and the bodies QUIC needs. RFC 8446 §4.2 */
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { Alert, failure, type TlsFailure } from "./alerts.ts"
import type { CertificateKind } from "./TlsSession.ts"

export const Extension = {
  server_name: 0,
  supported_groups: 10,
  signature_algorithms: 13,
  alpn: 16,
  client_certificate_type: 19,
  server_certificate_type: 20,
  cookie: 44,
  supported_versions: 43,
  psk_key_exchange_modes: 45,
  signature_algorithms_cert: 50,
  key_share: 51,
  quic_transport_parameters: 57
} as const

export const TLS13 = 0x0304

export type Extensions = ReadonlyMap<number, Uint8Array>

/** Reads an extension list that fills what is left of `r`. RFC 8446 §4.2: no type twice. */
export const readExtensions = (r: ByteReader): Extensions | TlsFailure => {
  const length = r.u16()
  if (r.failed || length !== r.remaining)
    return failure(Alert.decode_error, "the extension list has the wrong length")
  const extensions = new Map<number, Uint8Array>()
  while (r.remaining > 0) {
    const type = r.u16()
    const body = r.take(r.u16())
    if (r.failed) return failure(Alert.decode_error, "an extension is cut short")
    if (extensions.has(type)) return failure(Alert.illegal_parameter, `extension ${type} appears twice`)
    extensions.set(type, body)
  }
  return extensions
}

export const isFailure = (value: object | undefined): value is TlsFailure =>
  value !== undefined && "alert" in value

/** Writes `[type, body]` pairs as an extension list. */
export const writeExtensions = (extensions: ReadonlyArray<readonly [number, Uint8Array]>): Uint8Array => {
  const size = extensions.reduce((sum, [, body]) => sum + 4 + body.length, 0)
  const w = new ByteWriter(new Uint8Array(2 + size))
  w.u16(size)
  for (const [type, body] of extensions) {
    w.u16(type)
    w.u16(body.length)
    w.copy(body)
  }
  return w.bytes
}

/** A vector of 16-bit values behind a length of `lengthBytes`. */
export const writeU16List = (values: ReadonlyArray<number>, lengthBytes: 1 | 2): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(lengthBytes + 2 * values.length))
  if (lengthBytes === 1) w.u8(2 * values.length)
  else w.u16(2 * values.length)
  for (const value of values) w.u16(value)
  return w.bytes
}

/** The values, or undefined when the body is not exactly a non-empty list of them. */
export const readU16List = (body: Uint8Array, lengthBytes: 1 | 2): ReadonlyArray<number> | undefined => {
  const r = new ByteReader(body)
  const length = lengthBytes === 1 ? r.u8() : r.u16()
  if (r.failed || length !== r.remaining || length === 0 || length % 2 !== 0) return undefined
  const values: Array<number> = []
  while (r.remaining > 0) values.push(r.u16())
  return values
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })

/** RFC 7301 §3.1 */
export const writeAlpn = (protocols: ReadonlyArray<string>): Uint8Array => {
  const names = protocols.map((name) => encoder.encode(name))
  const size = names.reduce((sum, name) => sum + 1 + name.length, 0)
  const w = new ByteWriter(new Uint8Array(2 + size))
  w.u16(size)
  for (const name of names) {
    w.u8(name.length)
    w.copy(name)
  }
  return w.bytes
}

export const readAlpn = (body: Uint8Array): ReadonlyArray<string> | undefined => {
  const r = new ByteReader(body)
  if (r.u16() !== r.remaining || r.remaining === 0) return undefined
  const protocols: Array<string> = []
  while (r.remaining > 0) {
    const name = r.take(r.u8())
    if (r.failed || name.length === 0) return undefined
    const text = decodeText(name)
    // a name that is no text is none of ours, but it does not spoil the list
    if (text !== undefined) protocols.push(text)
  }
  return protocols
}

const decodeText = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** RFC 6066 §3: one host_name. */
export const writeServerName = (name: string): Uint8Array => {
  const bytes = encoder.encode(name)
  const w = new ByteWriter(new Uint8Array(5 + bytes.length))
  w.u16(3 + bytes.length)
  w.u8(0)
  w.u16(bytes.length)
  w.copy(bytes)
  return w.bytes
}

export const readServerName = (body: Uint8Array): string | undefined => {
  const r = new ByteReader(body)
  if (r.u16() !== r.remaining || r.u8() !== 0) return undefined
  const name = r.take(r.u16())
  if (r.failed || r.remaining > 0 || name.length === 0) return undefined
  return decodeText(name)
}

/** RFC 7250 §3, IANA TLS Certificate Types */
const kinds: ReadonlyArray<readonly [CertificateKind, number]> = [
  ["x509", 0],
  ["rawPublicKey", 2]
]

export const certificateTypeCode = (kind: CertificateKind): number =>
  kinds.find(([name]) => name === kind)![1]

export const certificateKind = (code: number): CertificateKind | undefined =>
  kinds.find(([, c]) => c === code)?.[0]

export const writeCertificateTypes = (types: ReadonlyArray<CertificateKind>): Uint8Array =>
  Uint8Array.of(types.length, ...types.map(certificateTypeCode))

/** Types nobody here knows are passed over; undefined when the body is malformed. */
export const readCertificateTypes = (body: Uint8Array): ReadonlyArray<CertificateKind> | undefined => {
  if (body.length < 2 || body[0] !== body.length - 1) return undefined
  return Array.from(body.subarray(1), certificateKind).filter((kind) => kind !== undefined)
}
