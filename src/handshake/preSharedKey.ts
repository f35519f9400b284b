/** Wire format of resumption: pre_shared_key, psk_key_exchange_modes, NewSessionTicket. RFC 8446 §4.2.9, §4.2.11, §4.6.1 */
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { Alert, failure, isFailure, type TlsFailure, violation } from "./alerts.ts"
import { Extension, type Extensions, readExtensions, writeExtensions } from "./extensions.ts"
import { HandshakeType, message } from "./messages.ts"

/** The only mode offered and accepted: a PSK with a key exchange, for forward secrecy. */
const PSK_DHE_KE = 1

export const pskModes = Uint8Array.of(1, PSK_DHE_KE)

/** Whether a client accepts tickets for PSKs with a key exchange; undefined if the body is malformed. */
export const readPskModes = (body: Uint8Array): boolean | undefined =>
  body.length < 2 || body[0] !== body.length - 1 ? undefined : body.includes(PSK_DHE_KE, 1)

/** A list of one identity with a zero binder, to be overwritten once the rest of the ClientHello is known. */
export const writeOfferedPsk = (
  identity: Uint8Array,
  obfuscatedAge: number,
  binderLength: number
): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(2 + 2 + identity.length + 4 + bindersSize(binderLength)))
  w.u16(2 + identity.length + 4)
  w.u16(identity.length)
  w.copy(identity)
  w.u32(obfuscatedAge)
  w.u16(1 + binderLength)
  w.u8(binderLength)
  return w.bytes
}

/** Size of a binders list with one binder, at the end of a ClientHello. */
export const bindersSize = (binderLength: number): number => 2 + 1 + binderLength

export interface OfferedPsk {
  readonly identity: Uint8Array
  readonly obfuscatedAge: number
  readonly binder: Uint8Array
}

export interface OfferedPsks {
  readonly psks: ReadonlyArray<OfferedPsk>
  /** The size of the binders list, which is excluded from the binder hash. */
  readonly bindersBytes: number
}

const malformed = (): TlsFailure => failure(Alert.decode_error, "pre_shared_key is malformed")

/** Reads pre_shared_key of a ClientHello. Identities after the first `maxIdentities` are only checked for their format. */
export const readOfferedPsks = (body: Uint8Array, maxIdentities: number): OfferedPsks | TlsFailure => {
  const r = new ByteReader(body)
  const identitiesEnd = 2 + r.u16()
  if (r.failed || identitiesEnd > body.length || identitiesEnd === 2) return malformed()
  const identities: Array<{ readonly identity: Uint8Array; readonly obfuscatedAge: number }> = []
  let count = 0
  for (; r.offset < identitiesEnd; count++) {
    const length = r.u16()
    const start = r.skip(length)
    const obfuscatedAge = r.u32()
    if (r.failed || length === 0) return malformed()
    if (count < maxIdentities)
      identities.push({ identity: body.subarray(start, start + length), obfuscatedAge })
  }
  if (r.offset !== identitiesEnd) return malformed()
  const bindersBytes = r.remaining
  if (r.u16() !== r.remaining || r.failed) return malformed()
  const binders: Array<Uint8Array> = []
  let binderCount = 0
  for (; r.remaining > 0; binderCount++) {
    const length = r.u8()
    const start = r.skip(length)
    if (r.failed || length < 32) return malformed()
    if (binderCount < maxIdentities) binders.push(body.subarray(start, start + length))
  }
  // RFC 8446 §4.2.11: one for each, in the same order
  if (binderCount !== count)
    return failure(
      Alert.illegal_parameter,
      "the number of binders does not match the number of pre-shared keys"
    )
  return {
    psks: identities.map((each, i) => ({ ...each, binder: binders[i] })),
    bindersBytes
  }
}

export interface NewSessionTicket {
  readonly lifetimeSeconds: number
  readonly ageAdd: number
  readonly nonce: Uint8Array
  readonly identity: Uint8Array
  readonly earlyData: boolean
}

/** RFC 9001 §4.6.1 #1 #2: max_early_data_size is always 0xffffffff; flow control limits early data instead. */
const UNLIMITED = 0xffff_ffff

export const writeNewSessionTicket = (ticket: NewSessionTicket): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(4 + 4 + 1 + ticket.nonce.length + 2 + ticket.identity.length))
  w.u32(ticket.lifetimeSeconds)
  w.u32(ticket.ageAdd)
  w.u8(ticket.nonce.length)
  w.copy(ticket.nonce)
  w.u16(ticket.identity.length)
  w.copy(ticket.identity)
  const extensions: Array<readonly [number, Uint8Array]> = ticket.earlyData
    ? [[Extension.early_data, new Uint8Array(4).fill(0xff)]]
    : []
  return message(HandshakeType.new_session_ticket, w.bytes, writeExtensions(extensions))
}

export const readNewSessionTicket = (bytes: Uint8Array): NewSessionTicket | TlsFailure => {
  const r = new ByteReader(bytes, 4)
  const lifetimeSeconds = r.u32()
  const ageAdd = r.u32()
  const nonce = r.take(r.u8()).slice()
  const identity = r.take(r.u16()).slice()
  if (r.failed || identity.length === 0) return failure(Alert.decode_error, "NewSessionTicket is malformed")
  const extensions = readExtensions(r, "NST")
  if (isFailure(extensions)) return extensions
  const earlyData = readEarlyDataSize(extensions)
  return isFailure(earlyData)
    ? earlyData
    : { lifetimeSeconds, ageAdd, nonce, identity, earlyData: earlyData.allowed }
}

const readEarlyDataSize = (extensions: Extensions): { readonly allowed: boolean } | TlsFailure => {
  const body = extensions.get(Extension.early_data)
  if (body === undefined) return { allowed: false }
  const r = new ByteReader(body)
  const size = r.u32()
  if (r.failed || r.remaining > 0) return failure(Alert.decode_error, "early_data is malformed")
  return size === UNLIMITED
    ? { allowed: true }
    : violation(Alert.illegal_parameter, `invalid max_early_data_size ${size} in a ticket`)
}
