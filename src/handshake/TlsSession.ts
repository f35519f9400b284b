import type { CertificateType, PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { CryptoSuiteShape, NamedGroup, RandomBytes, SigningKey } from "../capability/CryptoSuite.ts"
import type { SessionTicket } from "../capability/TicketStore.ts"
import type { CipherSuite } from "../protect/CipherSuite.ts"
import { Level } from "../wire/PacketType.ts"
import type { AfterHandshake } from "./AfterHandshake.ts"
import { Alert, failure, isFailure, type TlsFailure } from "./alerts.ts"
import { HandshakeReader } from "./HandshakeReader.ts"
import type { KeySchedule, TrafficSecrets } from "./KeySchedule.ts"
import { Transcript } from "./Transcript.ts"

/** What one side authenticates with. */
export interface TlsIdentity {
  readonly kind: CertificateType
  /** DER certificates, leaf first; for a raw public key, its one SubjectPublicKeyInfo. */
  readonly chain: ReadonlyArray<Uint8Array>
  readonly key: SigningKey
}

/** What was negotiated. */
export interface TlsFacts {
  readonly cipherSuite: number
  readonly group: NamedGroup
  readonly alpn: string
  readonly serverName: string | undefined
  /** The scheme the peer signed with; undefined when it did not authenticate, or did so in an earlier session. */
  readonly signatureScheme: number | undefined
  /** Who the peer is; on resumption, who it was in the session that is resumed. */
  readonly peer: PeerCertificate | undefined
  /** A session ticket stood in for certificates. */
  readonly resumed: boolean
  /** What became of 0-RTT; `"none"` when the client did not try it. */
  readonly earlyData: EarlyDataOutcome
}

/** `"pending"` until the server has decided. */
export type EarlyDataOutcome = "none" | "pending" | "accepted" | "rejected"

export interface TlsConfig {
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  /** Codepoints, best first. */
  readonly cipherSuites: ReadonlyArray<number>
  readonly groups: ReadonlyArray<NamedGroup>
  /** At least one. RFC 9001 §8.1 */
  readonly alpn: ReadonlyArray<string>
  /** Our transport parameters; the server is asked when it has the client's. */
  readonly transportParameters: (peer: Uint8Array | undefined) => Uint8Array
  /** What we take from the peer, best first. RFC 7250 */
  readonly peerCertificateTypes: ReadonlyArray<CertificateType>
  readonly keyLog: boolean
}

export interface TlsClientConfig extends TlsConfig {
  /** SNI; undefined for an IP literal. */
  readonly serverName: string | undefined
  /** Shown when the server asks. */
  readonly identity: TlsIdentity | undefined
  /** Those of `groups` to send key shares for at once; the best of them and X25519 when left out. */
  readonly keyShareGroups?: ReadonlyArray<NamedGroup> | undefined
  /** Without it the server's tickets are passed over. */
  readonly resumption?: ClientResumption
}

export interface ClientResumption {
  /** Unix time. */
  readonly nowMillis: () => number
  /** A ticket from an earlier session; not used when it does not fit the rest of the configuration. */
  readonly ticket: SessionTicket | undefined
  /** Try 0-RTT when the ticket allows it. */
  readonly earlyData: boolean
}

export interface TlsServerConfig extends TlsConfig {
  readonly selectIdentity: (hello: {
    readonly serverName: string | undefined
    readonly signatureSchemes: ReadonlyArray<number>
    readonly certificateTypes: ReadonlyArray<CertificateType>
  }) => TlsIdentity | undefined
  readonly requestClientCertificate: "none" | "request" | "require"
  /** Without it no tickets are issued or taken. */
  readonly resumption?: ServerResumption
}

export interface ServerResumption {
  /** Unix time. */
  readonly nowMillis: () => number
  /** How long tickets are good for, 1 … 604800. */
  readonly ticketLifetimeSeconds: number
  /** Encrypts and authenticates a ticket's content for `openTicket`, perhaps of another process. */
  readonly sealTicket: (plaintext: Uint8Array) => Uint8Array
  /** Undefined for anything that `sealTicket` did not make. */
  readonly openTicket: (identity: Uint8Array) => Uint8Array | undefined
  /** Whether 0-RTT may go ahead: the guard against replays, and against settings that changed. Without it, never. */
  readonly acceptEarlyData?: (request: EarlyDataRequest) => boolean
}

/** An authentic request for 0-RTT: the PSK binder has been checked. RFC 8446 §8 */
export interface EarlyDataRequest {
  /** The ticket as the client sent it: the key for tickets that are good once. RFC 8446 §8.1 */
  readonly ticket: Uint8Array
  /** The checked binder, different for each ClientHello: the key for recording ClientHellos. RFC 8446 §8.2 */
  readonly binder: Uint8Array
  /** This ClientHello cannot have been taken before: its age would not have fitted, or there was no ticket yet. */
  readonly earliestMillis: number
  readonly alpn: string
  readonly serverName: string | undefined
  /** Ours, as sent when the ticket was issued: 0-RTT must fit in both these and today's. RFC 9000 §7.4.1 */
  readonly transportParameters: Uint8Array
}

export type PeerVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly alert: number; readonly reason: string }

export type TlsEvent =
  | {
      readonly _tag: "keys"
      readonly level: Level
      readonly direction: "read" | "write"
      readonly cipherSuite: number
      readonly secret: Uint8Array
    }
  /** The peer's; on the client authenticated only once `complete`. */
  | { readonly _tag: "transportParameters"; readonly bytes: Uint8Array }
  /**
   * The peer has proven, now or in the session that is resumed, that it holds this key; whose it is, is for
   * `handleVerdict` to say. The handshake waits.
   */
  | { readonly _tag: "verifyPeer"; readonly peer: PeerCertificate; readonly serverName: string | undefined }
  /** 0-RTT keys are there, and these facts hold if it is accepted, or because it is; comes after the keys. */
  | { readonly _tag: "early"; readonly facts: TlsFacts }
  /** What became of the client's 0-RTT; comes before the transport parameters that it decides the use of. */
  | { readonly _tag: "earlyData"; readonly accepted: boolean }
  | { readonly _tag: "complete"; readonly facts: TlsFacts }
  /** For a later connection to the same server. Client only. */
  | { readonly _tag: "ticket"; readonly ticket: SessionTicket }
  /** A line for SSLKEYLOGFILE. */
  | { readonly _tag: "keyLog"; readonly line: string }
  | ({ readonly _tag: "failed" } & TlsFailure)

/**
 * TLS 1.3 for QUIC as a pure state machine: CRYPTO bytes in, CRYPTO bytes and events out. RFC 8446, RFC 9001 §4
 *
 * A driver calls `start` and `handleCrypto`, then takes events until there are none, then outputs. After `failed`
 * nothing more comes. This half cuts out messages and pauses while the peer is being judged; what each message means
 * is in `TlsClient` and `TlsServer`.
 */
export abstract class TlsSession {
  protected readonly suite: CryptoSuiteShape
  protected readonly transcript: Transcript
  protected schedule: KeySchedule | undefined = undefined
  protected clientRandom: Uint8Array = new Uint8Array(0)
  /** Set when the handshake is complete: from then on it does all there is to do, and the rest can go. */
  after: AfterHandshake | undefined = undefined
  private readonly reader = new HandshakeReader()
  private waitingForVerdict = false
  private failed = false
  private readonly outputs: Array<{ readonly level: Level; readonly bytes: Uint8Array }> = []
  private readonly events: Array<TlsEvent> = []
  private readonly keyLogged: boolean

  constructor(config: TlsConfig) {
    this.suite = config.suite
    this.keyLogged = config.keyLog
    this.transcript = new Transcript(config.suite)
  }

  /** Begins the handshake; on the server there is nothing to do yet. */
  abstract start(): void

  /** A whole message, header included, of a type and at a level that have been checked. */
  protected abstract onMessage(type: number, message: Uint8Array): TlsFailure | undefined

  /** What waited for the verdict, beside the messages to come. */
  protected onAccepted(): TlsFailure | undefined {
    return undefined
  }

  /** What remains of the problem when a peer is not accepted: nothing, when it may prove itself in another way. */
  protected onRefused(problem: TlsFailure): TlsFailure | undefined {
    return problem
  }

  /** In-order CRYPTO bytes of `level`, fragmented in any way. */
  handleCrypto(level: Level, bytes: Uint8Array): void {
    if (this.failed) return
    if (this.after !== undefined) {
      const problem = this.after.handleCrypto(level, bytes, (ticket) => this.emit({ _tag: "ticket", ticket }))
      return problem && this.fail(problem)
    }
    const problem = this.reader.push(level, bytes)
    if (problem !== undefined) return this.fail(problem)
    this.drain()
  }

  /** The answer to `verifyPeer`. */
  handleVerdict(verdict: PeerVerdict): void {
    if (this.failed || !this.waitingForVerdict) return
    this.waitingForVerdict = false
    const problem = verdict.ok ? this.onAccepted() : this.onRefused(failure(verdict.alert, verdict.reason))
    if (problem !== undefined) return this.fail(problem)
    this.drain()
  }

  pollOutput(): { readonly level: Level; readonly bytes: Uint8Array } | undefined {
    return this.outputs.shift()
  }

  pollEvent(): TlsEvent | undefined {
    return this.events.shift()
  }

  /** Keying material for the application, once the handshake is complete. RFC 8446 §7.5 */
  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array | undefined {
    return this.after !== undefined ? this.schedule?.exporter(label, context, length) : undefined
  }

  private drain(): void {
    while (!this.failed && !this.waitingForVerdict) {
      const message = this.reader.next()
      if (message === undefined) return
      const problem = isFailure(message) ? message : this.onMessage(message[0], message)
      if (problem !== undefined) return this.fail(problem)
    }
  }

  private fail({ alert, code, reason }: TlsFailure): void {
    this.failed = true
    this.events.push({ _tag: "failed", alert, code, reason })
  }

  protected emit(event: TlsEvent): void {
    this.events.push(event)
  }

  protected send(level: Level, message: Uint8Array): void {
    this.transcript.add(message)
    this.outputs.push({ level, bytes: message })
  }

  /** After the handshake there is no transcript. */
  protected sendTicket(message: Uint8Array): void {
    this.outputs.push({ level: Level.OneRtt, bytes: message })
  }

  protected pauseForVerdict(peer: PeerCertificate, serverName: string | undefined): void {
    this.waitingForVerdict = true
    this.events.push({ _tag: "verifyPeer", peer, serverName })
  }

  /** From here on the peer's messages come at `level`; to be called before the keys of `level` are given out. */
  protected readFrom(level: Level): TlsFailure | undefined {
    return this.reader.moveTo(level)
  }

  /** 0-RTT keys, in the one direction there is. `hello` is the digest of the ClientHello alone. */
  protected installEarlyKeys(
    schedule: KeySchedule,
    cipher: CipherSuite,
    isClient: boolean,
    hello: Uint8Array
  ): void {
    const secret = schedule.earlySecret(hello)
    this.logKey("CLIENT_EARLY_TRAFFIC_SECRET", secret)
    // RFC 9001 §5.6 #3 #4: a server never writes in 0-RTT, a client never reads
    this.emitKeys(Level.ZeroRtt, isClient ? "write" : "read", cipher, secret)
  }

  /** Both directions' Handshake keys. RFC 9001 §4.9: writing first, so that an answer can be protected. */
  protected installHandshakeKeys(cipher: CipherSuite, isClient: boolean): TrafficSecrets {
    const secrets = this.schedule!.handshakeSecrets(this.transcript.digest())
    const { client, server } = secrets
    this.logKey("CLIENT_HANDSHAKE_TRAFFIC_SECRET", client)
    this.logKey("SERVER_HANDSHAKE_TRAFFIC_SECRET", server)
    this.emitKeys(Level.Handshake, "write", cipher, isClient ? client : server)
    this.emitKeys(Level.Handshake, "read", cipher, isClient ? server : client)
    return secrets
  }

  /** Derives the 1-RTT secrets over the transcript up to the server's Finished. */
  protected deriveApplicationSecrets(): TrafficSecrets {
    const secrets = this.schedule!.applicationSecrets(this.transcript.digest())
    this.logKey("CLIENT_TRAFFIC_SECRET_0", secrets.client)
    this.logKey("SERVER_TRAFFIC_SECRET_0", secrets.server)
    this.logKey("EXPORTER_SECRET", this.schedule!.exporterSecret)
    return secrets
  }

  protected emitKeys(
    level: Level,
    direction: "read" | "write",
    cipher: CipherSuite,
    secret: Uint8Array
  ): void {
    this.events.push({ _tag: "keys", level, direction, cipherSuite: cipher.codepoint, secret })
  }

  /** Compares a received Finished in constant time, and takes it into the transcript. RFC 8446 §4.4.4 */
  protected acceptFinished(message: Uint8Array, baseSecret: Uint8Array): TlsFailure | undefined {
    const expected = this.schedule!.finished(baseSecret, this.transcript.digest())
    if (message.length !== 4 + expected.length)
      return failure(Alert.decode_error, "the peer's Finished has the wrong length")
    if (!this.suite.equal(message.subarray(4), expected))
      return failure(Alert.decrypt_error, "the peer's Finished does not match the handshake")
    this.transcript.add(message)
    return undefined
  }

  private logKey(label: string, secret: Uint8Array): void {
    if (!this.keyLogged) return
    this.events.push({ _tag: "keyLog", line: `${label} ${hex(this.clientRandom)} ${hex(secret)}` })
  }
}

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
