import type { PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { SessionTicket } from "../capability/TicketStore.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"

/** Seven days. RFC 8446 §4.6.1 */
export const MAX_TICKET_LIFETIME_SECONDS = 604_800

/**
 * Clients ignore larger tickets: the ticket takes space in the ClientHello, ahead of 0-RTT data, and the server controls
 * how much the client would store.
 */
export const MAX_IDENTITY_BYTES = 4096

/** Whether a ticket is too old at `nowMillis`, or was issued implausibly far in the future. */
export const isExpired = (ticket: SessionTicket, nowMillis: number): boolean => {
  const lifetime = Math.min(ticket.lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS)
  const age = nowMillis - ticket.issuedAtMillis
  return !(age >= -CLOCK_STEP_MILLIS && age < lifetime * 1000)
}

/** Tolerates a clock that was set back slightly. */
const CLOCK_STEP_MILLIS = 60_000

const FORMAT = 2
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Serializes a ticket for sealing or storage.
 *
 * @category converting
 * @since 0.1.0
 */
export const encodeSessionTicket = (ticket: SessionTicket): Uint8Array => {
  const alpn = encoder.encode(ticket.alpn)
  const serverName = encoder.encode(ticket.serverName ?? "")
  const peer = peerEntries(ticket.peer)
  const fields = [ticket.identity, ticket.secret, alpn, serverName, ticket.transportParameters, ...peer]
  const size = fields.reduce((sum, field) => sum + 3 + field.length, 0)
  const w = new ByteWriter(new Uint8Array(FIXED_BYTES + size))
  w.u8(FORMAT)
  w.u16(ticket.cipherSuite)
  w.u16(ticket.group ?? 0)
  w.u32(Math.floor(ticket.issuedAtMillis / 2 ** 32))
  w.u32(ticket.issuedAtMillis % 2 ** 32)
  w.u32(ticket.lifetimeSeconds)
  w.u32(ticket.ageAdd)
  w.u8(ticket.earlyData ? 1 : 0)
  w.u8(ticket.peer === undefined ? 0 : ticket.peer._tag === "x509" ? 1 : 2)
  for (const field of fields) {
    w.u24(field.length)
    w.copy(field)
  }
  return w.bytes
}

const FIXED_BYTES = 1 + 2 + 2 + 8 + 4 + 4 + 1 + 1

const peerEntries = (peer: PeerCertificate | undefined): ReadonlyArray<Uint8Array> =>
  peer === undefined ? [] : peer._tag === "x509" ? peer.chain : [peer.spki]

/**
 * Parses a serialized ticket; undefined if the bytes are not a ticket of this format.
 *
 * @category converting
 * @since 0.1.0
 */
export const decodeSessionTicket = (bytes: Uint8Array): SessionTicket | undefined => {
  const r = new ByteReader(bytes)
  if (r.u8() !== FORMAT) return undefined
  const cipherSuite = r.u16()
  const group = r.u16()
  const issuedAtMillis = r.u32() * 2 ** 32 + r.u32()
  const lifetimeSeconds = r.u32()
  const ageAdd = r.u32()
  const earlyData = r.u8() === 1
  const peerKind = r.u8()
  const field = (): Uint8Array => r.take(r.u24()).slice()
  const identity = field()
  const secret = field()
  const alpn = decoder.decode(field())
  const serverName = decoder.decode(field())
  const transportParameters = field()
  const entries: Array<Uint8Array> = []
  while (r.remaining > 0) entries.push(field())
  if (r.failed) return undefined
  const peer = peerFrom(peerKind, entries)
  if (peer === "malformed") return undefined
  return {
    identity,
    secret,
    cipherSuite,
    ...(group !== 0 && { group }),
    alpn,
    serverName: serverName === "" ? undefined : serverName,
    issuedAtMillis,
    lifetimeSeconds,
    ageAdd,
    earlyData,
    transportParameters,
    peer
  }
}

const peerFrom = (
  kind: number,
  entries: ReadonlyArray<Uint8Array>
): PeerCertificate | undefined | "malformed" => {
  if (kind === 0 && entries.length === 0) return undefined
  if (kind === 1 && entries.length > 0) return { _tag: "x509", chain: entries }
  if (kind === 2 && entries.length === 1) return { _tag: "rawPublicKey", spki: entries[0] }
  return "malformed"
}
