import type { PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { CryptoSuiteShape, NamedGroup } from "../capability/CryptoSuite.ts"
import type { CipherSuite } from "../protect/CipherSuite.ts"
import type { Role } from "../wire/Role.ts"
import { Level } from "../wire/PacketType.ts"
import type { Exporter } from "./Exporter.ts"
import { Alert, isFailure, type TlsFailure, violation } from "./alerts.ts"
import { HandshakeReader } from "./HandshakeReader.ts"
import { ticketSecret } from "./KeySchedule.ts"
import { HandshakeType, unexpected } from "./messages.ts"
import { readNewSessionTicket } from "./preSharedKey.ts"
import type { SessionTicket } from "../capability/TicketStore.ts"
import { MAX_IDENTITY_BYTES, MAX_TICKET_LIFETIME_SECONDS } from "./SessionTicket.ts"

/** Further tickets are ignored. */
const MAX_TICKETS = 16

/** The session that a client's tickets belong to. */
export interface TicketSession {
  readonly suite: CryptoSuiteShape
  readonly cipher: CipherSuite
  readonly resumptionSecret: Uint8Array
  readonly group: NamedGroup
  readonly alpn: string
  readonly serverName: string | undefined
  readonly transportParameters: Uint8Array
  readonly peer: PeerCertificate | undefined
  /** Unix time, ms. */
  readonly nowMillis: () => number
}

/**
 * Post-handshake TLS, so that a connection can free the handshake state. A client that resumes sessions accepts tickets;
 * every other message is an error. RFC 8446 §4.6, RFC 9001 §4.4, §6
 */
export class PostHandshake {
  readonly exporter: Exporter
  private readonly session: TicketSession | undefined
  private readonly reader = new HandshakeReader(Level.OneRtt)
  private tickets = 0
  private readonly role: Role

  /** `session` is set on a client that stores tickets. */
  constructor(role: Role, exporter: Exporter, session: TicketSession | undefined) {
    this.role = role
    this.exporter = exporter
    this.session = session
  }

  /** In-order CRYPTO bytes of `level`, in arbitrary fragments; passes each ticket to `onTicket`. */
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

  /** A complete message, including its header. */
  handleMessage(type: number, bytes: Uint8Array): SessionTicket | TlsFailure | undefined {
    if (this.role === "client" && type === HandshakeType.new_session_ticket) return this.takeTicket(bytes)
    // RFC 9001 §4.4 #3: no post-handshake authentication; §6 #2: no KeyUpdate
    return this.role === "client" && type === HandshakeType.certificate_request
      ? violation(Alert.unexpected_message, "CertificateRequest after the handshake")
      : unexpected(type, "connected")
  }

  private takeTicket(bytes: Uint8Array): SessionTicket | TlsFailure | undefined {
    const ticket = readNewSessionTicket(bytes)
    if (isFailure(ticket)) return ticket
    const { session } = this
    if (session === undefined || this.tickets === MAX_TICKETS || ticket.lifetimeSeconds === 0)
      return undefined
    if (ticket.identity.length > MAX_IDENTITY_BYTES) return undefined
    this.tickets++
    return {
      identity: ticket.identity,
      secret: ticketSecret(session.suite, session.cipher, session.resumptionSecret, ticket.nonce),
      cipherSuite: session.cipher.codepoint,
      group: session.group,
      alpn: session.alpn,
      serverName: session.serverName,
      issuedAtMillis: session.nowMillis(),
      lifetimeSeconds: Math.min(ticket.lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS),
      ageAdd: ticket.ageAdd,
      earlyData: ticket.earlyData,
      transportParameters: session.transportParameters,
      peer: session.peer
    }
  }
}
