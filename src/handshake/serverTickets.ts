/** The server's half of resumption: taking tickets back, deciding on 0-RTT, making new ones. RFC 8446 §4.2.11, §4.6.1, §8 */
import type { RandomBytes } from "../capability/CryptoSuite.ts"
import { type CipherSuite, cipherSuites } from "../protect/CipherSuite.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { Alert, failure, isFailure, type TlsFailure } from "./alerts.ts"
import type { ClientOffer } from "./clientOffer.ts"
import { Extension } from "./extensions.ts"
import { KeySchedule } from "./KeySchedule.ts"
import type { ClientHello } from "./messages.ts"
import { type OfferedPsk, readOfferedPsks, writeNewSessionTicket } from "./preSharedKey.ts"
import type { SessionTicket } from "../capability/TicketStore.ts"
import {
  decodeSessionTicket,
  encodeSessionTicket,
  isExpired,
  MAX_TICKET_LIFETIME_SECONDS
} from "./SessionTicket.ts"
import type { ServerResumption, TlsServerConfig } from "./TlsSession.ts"
import type { Transcript } from "./Transcript.ts"

/** How many of a client's tickets are opened before it gets a full handshake. */
const MOST_TICKETS_TRIED = 4

/** A larger ticket would not fit, with the rest of a ClientHello, into what a client sends first. */
const MAX_TICKET_BYTES = 2048

/** How far the client's idea of a ticket's age may be off for 0-RTT; transit time and clock drift. RFC 8446 §8.3 */
const AGE_TOLERANCE_MILLIS = 10_000

/** A PSK that the server goes along with. */
export interface AcceptedPsk {
  readonly ticket: SessionTicket
  readonly cipher: CipherSuite
  /** Its place in the client's list. */
  readonly index: number
  /** Begun with the PSK. */
  readonly schedule: KeySchedule
  readonly offered: OfferedPsk
}

/**
 * Picks the first ticket that can be resumed and checks its binder; undefined for a full handshake. `settled` is the
 * cipher suite when a HelloRetryRequest has named it.
 */
export const acceptPsk = (
  config: TlsServerConfig,
  hello: ClientHello,
  helloBytes: Uint8Array,
  offer: ClientOffer,
  transcript: Transcript,
  settled: CipherSuite | undefined
): AcceptedPsk | TlsFailure | undefined => {
  const body = hello.extensions.get(Extension.pre_shared_key)
  if (body === undefined)
    // RFC 8446 §4.2.10
    return offer.wantsEarlyData
      ? failure(Alert.illegal_parameter, "early data without a pre-shared key")
      : undefined
  // RFC 8446 §4.2.11
  if ([...hello.extensions.keys()].at(-1) !== Extension.pre_shared_key)
    return failure(Alert.illegal_parameter, "pre_shared_key is not the last extension")
  // RFC 8446 §4.2.9
  if (!hello.extensions.has(Extension.psk_key_exchange_modes))
    return failure(Alert.missing_extension, "a pre-shared key without psk_key_exchange_modes")
  const offered = readOfferedPsks(body, MOST_TICKETS_TRIED)
  if (isFailure(offered)) return offered
  const { resumption } = config
  if (resumption === undefined || !offer.resumable) return undefined
  for (const [index, psk] of offered.psks.entries()) {
    const opened = openTicket(resumption, psk.identity)
    if (opened === undefined || !fits(opened, config, hello, offer)) continue
    const cipher = cipherSuites.get(opened.cipherSuite)!
    if (settled !== undefined && cipher !== settled) continue
    const schedule = new KeySchedule(config.suite, cipher, opened.secret)
    const covered = helloBytes.subarray(0, helloBytes.length - offered.bindersBytes)
    const binder = schedule.binder(transcript.digestWith(cipher.hash, covered))
    // RFC 8446 §4.2.11: this one binder, and no way back to a full handshake when it is wrong
    return config.suite.equal(binder, psk.binder)
      ? { ticket: opened, cipher, index, schedule, offered: psk }
      : failure(Alert.decrypt_error, "the binder of the pre-shared key is wrong")
  }
  return undefined
}

const openTicket = (resumption: ServerResumption, identity: Uint8Array): SessionTicket | undefined => {
  if (identity.length > MAX_TICKET_BYTES) return undefined // none of ours
  const plaintext = resumption.openTicket(identity)
  const ticket = plaintext === undefined ? undefined : decodeSessionTicket(plaintext)
  return ticket === undefined || isExpired(ticket, resumption.nowMillis()) ? undefined : ticket
}

/** Whether the session can go on under what is offered and configured today. */
const fits = (
  ticket: SessionTicket,
  config: TlsServerConfig,
  hello: ClientHello,
  offer: ClientOffer
): boolean => {
  const { cipherSuite, peer, serverName } = ticket
  return (
    cipherSuites.has(cipherSuite) &&
    config.cipherSuites.includes(cipherSuite) &&
    hello.cipherSuites.includes(cipherSuite) &&
    serverName === offer.serverName &&
    // the client must be as much authenticated as it would be by a full handshake
    (peer === undefined
      ? config.requestClientCertificate !== "require"
      : config.requestClientCertificate !== "none" && config.peerCertificateTypes.includes(peer._tag))
  )
}

/** Whether the 0-RTT that the client asks for is taken. RFC 8446 §4.2.10, RFC 9001 §4.6.2 */
export const acceptsEarlyData = (
  resumption: ServerResumption,
  psk: AcceptedPsk,
  offer: ClientOffer
): boolean => {
  const { ticket, offered } = psk
  if (!ticket.earlyData || psk.index !== 0 || ticket.alpn !== offer.alpn) return false
  const toldAge = (offered.obfuscatedAge - ticket.ageAdd) >>> 0
  const age = resumption.nowMillis() - ticket.issuedAtMillis
  if (Math.abs(toldAge - age) > AGE_TOLERANCE_MILLIS) return false
  return (
    resumption.acceptEarlyData?.({
      ticket: offered.identity.slice(),
      binder: offered.binder.slice(),
      earliestMillis: Math.max(ticket.issuedAtMillis, resumption.nowMillis() - 2 * AGE_TOLERANCE_MILLIS),
      alpn: ticket.alpn,
      serverName: ticket.serverName,
      transportParameters: ticket.transportParameters
    }) === true
  )
}

/** A NewSessionTicket message, or undefined when the session is too large for a client to carry. */
export const issueTicket = (
  resumption: ServerResumption,
  random: RandomBytes,
  nonce: Uint8Array,
  session: Pick<
    SessionTicket,
    "secret" | "cipherSuite" | "alpn" | "serverName" | "transportParameters" | "peer"
  >
): Uint8Array | undefined => {
  const lifetimeSeconds = Math.min(resumption.ticketLifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS)
  const ageAdd = new ByteReader(random(4)).u32()
  const earlyData = resumption.acceptEarlyData !== undefined
  const identity = resumption.sealTicket(
    encodeSessionTicket({
      ...session,
      identity: new Uint8Array(0),
      issuedAtMillis: resumption.nowMillis(),
      lifetimeSeconds,
      ageAdd,
      earlyData
    })
  )
  if (identity.length === 0 || identity.length > MAX_TICKET_BYTES) return undefined
  return writeNewSessionTicket({ lifetimeSeconds, ageAdd, nonce, identity, earlyData })
}
