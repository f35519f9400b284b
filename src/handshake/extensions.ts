/** TLS extensions: codepoints, the list, and the bodies QUIC needs. RFC 8446 §4.2 */
import type { CertificateType } from "../capability/CertificateVerifier.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { Alert, failure, type TlsFailure } from "./alerts.ts"
import { MAX_NAME_LENGTH, readHostName } from "./serverName.ts"

export const Extension = {
  server_name: 0,
  supported_groups: 10,
  signature_algorithms: 13,
  alpn: 16,
  client_certificate_type: 19,
  server_certificate_type: 20,
  pre_shared_key: 41,
  early_data: 42,
  supported_versions: 43,
  cookie: 44,
  psk_key_exchange_modes: 45,
  signature_algorithms_cert: 50,
  key_share: 51,
  quic_transport_parameters: 57
} as const

export const TLS13 = 0x0304

export type Extensions = ReadonlyMap<number, Uint8Array>

/** The messages that carry extensions, abbreviated as in RFC 8446 §4.2. */
export type ExtensionPlace = "CH" | "SH" | "HRR" | "EE" | "CR" | "CT" | "NST"

/** The messages each known extension may appear in. RFC 8446 §4.2, RFC 7250 §3, RFC 9001 §8.2 */
const places: ReadonlyMap<number, ReadonlyArray<ExtensionPlace>> = new Map<
  number,
  ReadonlyArray<ExtensionPlace>
>([
  [Extension.server_name, ["CH", "EE"]],
  [Extension.supported_groups, ["CH", "EE"]],
  [Extension.signature_algorithms, ["CH", "CR"]],
  [Extension.alpn, ["CH", "EE"]],
  [Extension.client_certificate_type, ["CH", "EE"]],
  [Extension.server_certificate_type, ["CH", "EE"]],
  [Extension.pre_shared_key, ["CH", "SH"]],
  [Extension.early_data, ["CH", "EE", "NST"]],
  [Extension.supported_versions, ["CH", "SH", "HRR"]],
  [Extension.cookie, ["CH", "HRR"]],
  [Extension.psk_key_exchange_modes, ["CH"]],
  [Extension.signature_algorithms_cert, ["CH", "CR"]],
  [Extension.key_share, ["CH", "SH", "HRR"]],
  [Extension.quic_transport_parameters, ["CH", "EE"]]
])

/** Messages whose extensions respond to ours, so that unknown ones are errors. RFC 8446 §4.2 */
const answers: ReadonlyArray<ExtensionPlace> = ["SH", "HRR", "EE", "CT"]

const checkPlace = (type: number, place: ExtensionPlace): TlsFailure | undefined => {
  const allowed = places.get(type)
  if (allowed === undefined)
    return answers.includes(place)
      ? failure(Alert.unsupported_extension, `unsolicited extension ${type}`)
      : undefined
  return allowed.includes(place)
    ? undefined
    : failure(Alert.illegal_parameter, `extension ${type} in a message it does not belong in`)
}

/** Far more than IANA has registered; none may appear twice. */
const MAX_EXTENSIONS = 128

/** Reads an extension list that spans the rest of `r`. RFC 8446 §4.2: no duplicates. */
export const readExtensions = (r: ByteReader, place: ExtensionPlace): Extensions | TlsFailure => {
  const length = r.u16()
  if (r.failed || length !== r.remaining)
    return failure(Alert.decode_error, "the extension list has the wrong length")
  const extensions = new Map<number, Uint8Array>()
  while (r.remaining > 0) {
    const type = r.u16()
    const body = r.take(r.u16())
    if (r.failed) return failure(Alert.decode_error, "an extension is truncated")
    if (extensions.size === MAX_EXTENSIONS)
      return failure(Alert.decode_error, `more than ${MAX_EXTENSIONS} extensions`)
    if (extensions.has(type)) return failure(Alert.illegal_parameter, `extension ${type} appears twice`)
    const problem = checkPlace(type, place)
    if (problem !== undefined) return problem
    extensions.set(type, body)
  }
  return extensions
}

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

/** A vector of 16-bit values with a length prefix of `lengthBytes`. */
export const writeU16List = (values: ReadonlyArray<number>, lengthBytes: 1 | 2): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(lengthBytes + 2 * values.length))
  if (lengthBytes === 1) w.u8(2 * values.length)
  else w.u16(2 * values.length)
  for (const value of values) w.u16(value)
  return w.bytes
}

/** Undefined unless the body is exactly one non-empty list. */
export const readU16List = (body: Uint8Array, lengthBytes: 1 | 2): ReadonlyArray<number> | undefined => {
  const r = new ByteReader(body)
  const length = lengthBytes === 1 ? r.u8() : r.u16()
  if (r.failed || length !== r.remaining || length === 0 || length % 2 !== 0) return undefined
  const values: Array<number> = []
  while (r.remaining > 0) values.push(r.u16())
  return values
}

export const writeU16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff)

/** Undefined unless the body is exactly one 16-bit value. */
export const readU16 = (body: Uint8Array): number | undefined =>
  body.length === 2 ? (body[0] << 8) | body[1] : undefined

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

export interface ReceivedName {
  /** In lower case; undefined if it is not a valid host name. */
  readonly name: string | undefined
}

/** Undefined if the body is malformed. */
export const readServerName = (body: Uint8Array): ReceivedName | undefined => {
  const r = new ByteReader(body)
  if (r.u16() !== r.remaining || r.u8() !== 0) return undefined
  const name = r.take(r.u16())
  if (r.failed || r.remaining > 0 || name.length === 0) return undefined
  const text = name.length > MAX_NAME_LENGTH ? undefined : decodeText(name)
  return { name: text === undefined ? undefined : readHostName(text) }
}

/** RFC 7250 §3, IANA TLS Certificate Types */
const kinds: ReadonlyArray<readonly [CertificateType, number]> = [
  ["x509", 0],
  ["rawPublicKey", 2]
]

export const certificateTypeCode = (kind: CertificateType): number =>
  kinds.find(([name]) => name === kind)![1]

export const certificateKind = (code: number): CertificateType | undefined =>
  kinds.find(([, c]) => c === code)?.[0]

export const writeCertificateTypes = (types: ReadonlyArray<CertificateType>): Uint8Array =>
  Uint8Array.of(types.length, ...types.map(certificateTypeCode))

/** Ignores unknown types; undefined if the body is malformed. */
export const readCertificateTypes = (body: Uint8Array): ReadonlyArray<CertificateType> | undefined => {
  if (body.length < 2 || body[0] !== body.length - 1) return undefined
  return Array.from(body.subarray(1), certificateKind).filter((kind) => kind !== undefined)
}
