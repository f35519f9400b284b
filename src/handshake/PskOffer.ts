import type { PeerCertificate } from "../capability/CertificateVerifier.ts"
import { type CipherSuite, cipherSuites } from "../protect/CipherSuite.ts"
import { Extension } from "./extensions.ts"
import { KeySchedule } from "./KeySchedule.ts"
import { bindersSize, writeOfferedPsk } from "./preSharedKey.ts"
import type { SessionTicket } from "../capability/TicketStore.ts"
import { isExpired, MAX_IDENTITY_BYTES } from "./SessionTicket.ts"
import type { TlsClientConfig } from "./TlsSession.ts"
import type { Transcript } from "./Transcript.ts"

/** A client's offer to resume a session. RFC 8446 §4.2.11 */
export class PskOffer {
  readonly ticket: SessionTicket & { readonly peer: PeerCertificate }
  readonly cipher: CipherSuite
  /** Seeded with the PSK. */
  readonly schedule: KeySchedule
  /** Whether 0-RTT is offered; cleared by a HelloRetryRequest. */
  earlyData: boolean
  private readonly nowMillis: () => number

  private constructor(config: TlsClientConfig, ticket: PskOffer["ticket"], cipher: CipherSuite) {
    const { resumption, suite } = config
    this.ticket = ticket
    this.cipher = cipher
    this.schedule = new KeySchedule(suite, cipher, ticket.secret)
    // RFC 8446 §4.2.10: early data uses the session's application protocol
    this.earlyData = resumption!.earlyData && ticket.earlyData && config.alpn.includes(ticket.alpn)
    this.nowMillis = resumption!.nowMillis
  }

  /** Undefined without a ticket, or if its session does not match the configuration. */
  static of(config: TlsClientConfig): PskOffer | undefined {
    const ticket = config.resumption?.ticket
    const peer = ticket?.peer
    if (ticket === undefined || peer === undefined) return undefined
    const cipher = cipherSuites.get(ticket.cipherSuite)
    const fits =
      cipher !== undefined &&
      ticket.identity.length <= MAX_IDENTITY_BYTES &&
      config.cipherSuites.includes(ticket.cipherSuite) &&
      ticket.serverName === config.serverName && // RFC 8446 §4.6.1
      config.peerCertificateTypes.includes(peer._tag) &&
      !isExpired(ticket, config.resumption!.nowMillis()) // RFC 8446 §4.2.11.1
    return fits ? new PskOffer(config, { ...ticket, peer }, cipher) : undefined
  }

  /** These must be the last extensions of the ClientHello. */
  extensions(): ReadonlyArray<readonly [number, Uint8Array]> {
    const { ticket, cipher } = this
    const age = Math.max(0, Math.floor(this.nowMillis() - ticket.issuedAtMillis))
    const offered = writeOfferedPsk(ticket.identity, (age + ticket.ageAdd) % 2 ** 32, cipher.hashLength)
    const early: ReadonlyArray<readonly [number, Uint8Array]> = this.earlyData
      ? [[Extension.early_data, new Uint8Array(0)]]
      : []
    return [...early, [Extension.pre_shared_key, offered]]
  }

  /** Fills in the binder at the end of a ClientHello. RFC 8446 §4.2.11.2 */
  bind(hello: Uint8Array, transcript: Transcript): void {
    const { hash, hashLength } = this.cipher
    const covered = hello.subarray(0, hello.length - bindersSize(hashLength))
    hello.set(this.schedule.binder(transcript.digestWith(hash, covered)), hello.length - hashLength)
  }
}
