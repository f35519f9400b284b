import type { PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { CryptoSuiteShape, NamedGroup } from "../capability/CryptoSuite.ts"
import type { CipherSuite } from "../protect/CipherSuite.ts"
import { Level } from "../wire/PacketType.ts"
import { Alert, isFailure, type TlsFailure, violation } from "./alerts.ts"
import { HandshakeReader } from "./HandshakeReader.ts"
import { ticketSecret } from "./KeySchedule.ts"
import { HandshakeType, unexpected } from "./messages.ts"
import { readNewSessionTicket } from "./preSharedKey.ts"
import type { SessionTicket } from "../capability/TicketStore.ts"
import { MAX_IDENTITY_BYTES, MAX_TICKET_LIFETIME_SECONDS } from "./SessionTicket.ts"

/** Tickets beyond this many are passed over. */
const MAX_TICKETS = 16

/** What a client's tickets are of. */
export interface TicketTerms {
  readonly suite: CryptoSuiteShape
  readonly cipher: CipherSuite
  readonly resumptionSecret: Uint8Array
  readonly group: NamedGroup
  readonly alpn: string
  readonly serverName: string | undefined
  readonly transportParameters: Uint8Array
  readonly peer: PeerCertificate | undefined
  /** Unix time. */
  readonly nowMillis: () => number
}

/**
 * What is left of TLS when the handshake is complete, so that a connection need not keep the rest: on a client that
 * resumes, tickets; for the others, messages that nobody may send. RFC 8446 §4.6, RFC 9001 §4.4, §6
 */
export class AfterHandshake {
  private readonly terms: TicketTerms | undefined
  private readonly reader = new HandshakeReader(Level.OneRtt)
  private tickets = 0
  private readonly isClient: boolean

  /** `terms`: of a client that keeps tickets. */
  constructor(isClient: boolean, terms: TicketTerms | undefined) {
    this.isClient = isClient
    this.terms = terms
  }

  /** In-order CRYPTO bytes of `level`, fragmented in any way; each ticket they hold goes to `onTicket`. */
  handleCrypto(
    level: Level,
    bytes: Uint8Array,
    onTicket: (ticket: SessionTicket) => void
  ): TlsFailure | undefined {
    const problem = this.reader.push(level, bytes)
    if (problem !== undefined) return problem
    for (let message = this.reader.next(); message !== undefined; message = this.reader.next()) {
      const result = isFailure(message) ? message : this.handleMessage(message[0], message)
      if (result === undefined) continue
      if (isFailure(result)) return result
      onTicket(result)
    }
    return undefined
  }

  /** A whole message, header included. */
  handleMessage(type: number, bytes: Uint8Array): SessionTicket | TlsFailure | undefined {
    if (this.isClient && type === HandshakeType.new_session_ticket) return this.takeTicket(bytes)
    // RFC 9001 §4.4 #3: no authentication after the handshake; §6 #2: not even KeyUpdate
    return this.isClient && type === HandshakeType.certificate_request
      ? violation(Alert.unexpected_message, "CertificateRequest after the handshake")
      : unexpected(type, "connected")
  }

  private takeTicket(bytes: Uint8Array): SessionTicket | TlsFailure | undefined {
    const ticket = readNewSessionTicket(bytes)
    if (isFailure(ticket)) return ticket
    const { terms } = this
    if (terms === undefined || this.tickets === MAX_TICKETS || ticket.lifetimeSeconds === 0) return undefined
    if (ticket.identity.length > MAX_IDENTITY_BYTES) return undefined
    this.tickets++
    return {
      identity: ticket.identity,
      secret: ticketSecret(terms.suite, terms.cipher, terms.resumptionSecret, ticket.nonce),
      cipherSuite: terms.cipher.codepoint,
      group: terms.group,
      alpn: terms.alpn,
      serverName: terms.serverName,
      issuedAtMillis: terms.nowMillis(),
      lifetimeSeconds: Math.min(ticket.lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS),
      ageAdd: ticket.ageAdd,
      earlyData: ticket.earlyData,
      transportParameters: terms.transportParameters,
      peer: terms.peer
    }
  }
}
