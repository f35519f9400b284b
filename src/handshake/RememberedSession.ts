import type { SessionTicket } from "../capability/TicketStore.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { decodeSessionTicket, encodeSessionTicket } from "./SessionTicket.ts"

/** All that a client has learned of a server and can use to connect again. */
export interface RememberedSession {
  /** The server's key in a `TicketStore`. */
  readonly server: string
  /** The address that answered, as `formatAddress` writes it. */
  readonly address: string
  /** Round-trip time there. RFC 9002 §6.2.2 */
  readonly rttMillis: number
  /** The latest token from NEW_TOKEN. RFC 9000 §8.1.3 */
  readonly addressToken: Uint8Array | undefined
  /** Oldest first. */
  readonly tickets: ReadonlyArray<SessionTicket>
}

/** Tickets kept: a server that issues more at a time gains nothing by it. */
export const MAX_SESSION_TICKETS = 8
/** Encoded sizes: of one ticket, which may hold a chain of certificates, and of everything. */
const MAX_TICKET_BYTES = 262_144
export const MAX_SESSION_BYTES = 524_288
const FIXED_BYTES = 3 + 3 + 3 + 2 + 1

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })

/** The newest tickets that fit, oldest first. */
const fittingTickets = (tickets: ReadonlyArray<SessionTicket>, room: number): ReadonlyArray<Uint8Array> => {
  const fitting: Array<Uint8Array> = []
  let left = room
  for (const ticket of tickets.slice(-MAX_SESSION_TICKETS).reverse()) {
    const bytes = encodeSessionTicket(ticket)
    if (bytes.length > MAX_TICKET_BYTES || bytes.length + 3 > left) continue
    left -= bytes.length + 3
    fitting.unshift(bytes)
  }
  return fitting
}

/** Serializes it, in at most `MAX_SESSION_BYTES`: oldest tickets are left out if they do not fit. */
export const encodeRememberedSession = (session: RememberedSession): Uint8Array => {
  const server = encoder.encode(session.server)
  const address = encoder.encode(session.address)
  const token = session.addressToken ?? new Uint8Array(0)
  const fixed = FIXED_BYTES + server.length + address.length + token.length
  const tickets = fittingTickets(session.tickets, MAX_SESSION_BYTES - fixed)
  const w = new ByteWriter(new Uint8Array(tickets.reduce((sum, ticket) => sum + 3 + ticket.length, fixed)))
  for (const field of [server, address, token]) {
    w.u24(field.length)
    w.copy(field)
  }
  w.u16(session.rttMillis)
  w.u8(tickets.length)
  for (const ticket of tickets) {
    w.u24(ticket.length)
    w.copy(ticket)
  }
  return w.bytes
}

/** Parses a serialized session; undefined if the bytes are none, or hold more than is ever written. */
export const decodeRememberedSession = (bytes: Uint8Array): RememberedSession | undefined => {
  if (bytes.length > MAX_SESSION_BYTES) return undefined
  const r = new ByteReader(bytes)
  const server = textOf(r.take(r.u24()))
  const address = textOf(r.take(r.u24()))
  const token = r.take(r.u24()).slice()
  const rttMillis = r.u16()
  const count = r.u8()
  if (r.failed || server === undefined || address === undefined || count > MAX_SESSION_TICKETS)
    return undefined
  const tickets: Array<SessionTicket> = []
  for (let i = 0; i < count; i++) {
    const ticket = decodeSessionTicket(r.take(r.u24()))
    if (r.failed || ticket === undefined) return undefined
    tickets.push(ticket)
  }
  if (r.remaining > 0) return undefined
  return { server, address, rttMillis, addressToken: token.length === 0 ? undefined : token, tickets }
}

const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}
