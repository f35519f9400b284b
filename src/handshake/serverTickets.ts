/** Server side of resumption: accepting tickets, deciding on 0-RTT, issuing tickets. RFC 8446 §4.2.11, §4.6.1, §8 */
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

/** How many of a client's tickets are tried before falling back to a full handshake. */
const MAX_TICKETS_TRIED = 4

/** Larger tickets would not fit into a client's first flight with the rest of the ClientHello. */
const MAX_TICKET_BYTES = 2048

/** Allowed difference in ticket age for 0-RTT, due to transit time and clock drift. RFC 8446 §8.3 */
const AGE_TOLERANCE_MILLIS = 10_000

/** A PSK the server accepted. */
export interface AcceptedPsk {
  readonly ticket: SessionTicket
  readonly cipher: CipherSuite
  /** Index in the client's list. */
  readonly index: number
  /** Seeded with the PSK. */
  readonly schedule: KeySchedule
  readonly offered: OfferedPsk
}

/**
 * Selects the first resumable ticket and verifies its binder; undefined for a full handshake. `settled` is the cipher
 * suite selected by a HelloRetryRequest, if any.
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
  const offered = readOfferedPsks(body, MAX_TICKETS_TRIED)
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
    // RFC 8446 §4.2.11: an invalid binder aborts the handshake; there is no fallback to a full one
    return config.suite.equal(binder, psk.binder)
      ? { ticket: opened, cipher, index, schedule, offered: psk }
      : failure(Alert.decrypt_error, "the binder of the pre-shared key is invalid")
  }
  return undefined
}

const openTicket = (resumption: ServerResumption, identity: Uint8Array): SessionTicket | undefined => {
  if (identity.length > MAX_TICKET_BYTES) return undefined // not one of ours
  const plaintext = resumption.openTicket(identity)
  const ticket = plaintext === undefined ? undefined : decodeSessionTicket(plaintext)
  if (ticket === undefined || isExpired(ticket, resumption.nowMillis())) return undefined
  return resumption.mayResume?.(ticket) === false ? undefined : ticket
}

/** Whether the session matches the current offer and configuration. */
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
    // the client must be authenticated as a full handshake would require
    (peer === undefined
      ? config.requestClientCertificate !== "require"
      : config.requestClientCertificate !== "none" && config.peerCertificateTypes.includes(peer._tag))
  )
}

/** Whether to accept the requested 0-RTT. RFC 8446 §4.2.10, RFC 9001 §4.6.2 */
export const acceptsEarlyData = (
  resumption: ServerResumption,
  psk: AcceptedPsk,
  offer: ClientOffer
): boolean => {
  const { ticket, offered } = psk
  if (!ticket.earlyData || psk.index !== 0 || ticket.alpn !== offer.alpn) return false
  const reportedAge = (offered.obfuscatedAge - ticket.ageAdd) >>> 0
  const age = resumption.nowMillis() - ticket.issuedAtMillis
  if (Math.abs(reportedAge - age) > AGE_TOLERANCE_MILLIS) return false
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

/** A NewSessionTicket message; undefined if the session is too large for a ticket. */
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
