import { keepBytes } from "../internal/keepBytes.ts"
import { Exporter } from "./Exporter.ts"
import { type Role, otherRole } from "../wire/Role.ts"
import type { CertificateType, PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { CryptoSuiteShape, NamedGroup, RandomBytes, SigningKey } from "../capability/CryptoSuite.ts"
import type { SessionTicket } from "../capability/TicketStore.ts"
import type { CipherSuite } from "../protect/CipherSuite.ts"
import { Level } from "../wire/PacketType.ts"
import type { PostHandshake } from "./PostHandshake.ts"
import { Alert, failure, isFailure, type TlsFailure } from "./alerts.ts"
import { HandshakeReader } from "./HandshakeReader.ts"
import type { KeySchedule, TrafficSecrets } from "./KeySchedule.ts"
import { Transcript } from "./Transcript.ts"

/** The credentials one side authenticates with. */
export interface TlsIdentity {
  readonly kind: CertificateType
  /** DER certificates, leaf first; for a raw public key, only its SubjectPublicKeyInfo. */
  readonly chain: ReadonlyArray<Uint8Array>
  readonly key: SigningKey
}

/** The negotiated parameters. */
export interface TlsFacts {
  readonly cipherSuite: number
  readonly group: NamedGroup
  readonly alpn: string
  readonly serverName: string | undefined
  /** The peer's signature scheme; undefined if it did not authenticate, or did so in the resumed session. */
  readonly signatureScheme: number | undefined
  /** The authenticated peer; on resumption, that of the resumed session. */
  readonly peer: PeerCertificate | undefined
  /** Whether a session ticket replaced certificates. */
  readonly resumed: boolean
  /** Outcome of 0-RTT; `"none"` if the client did not offer it. */
  readonly earlyData: EarlyDataOutcome
}

/** `"pending"` until the server decides. */
export type EarlyDataOutcome = "none" | "pending" | "accepted" | "rejected"

export interface TlsConfig {
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  /** Codepoints, in order of preference. */
  readonly cipherSuites: ReadonlyArray<number>
  readonly groups: ReadonlyArray<NamedGroup>
  /** At least one. RFC 9001 §8.1 */
  readonly alpn: ReadonlyArray<string>
  /** Our transport parameters; on a server, called with the client's. */
  readonly transportParameters: (peer: Uint8Array | undefined) => Uint8Array
  /** Certificate types accepted from the peer, in order of preference. RFC 7250 */
  readonly peerCertificateTypes: ReadonlyArray<CertificateType>
  readonly keyLog: boolean
}

export interface TlsClientConfig extends TlsConfig {
  /** SNI; undefined for an IP literal. */
  readonly serverName: string | undefined
  /** Presented if the server requests a certificate. */
  readonly identity: TlsIdentity | undefined
  /** Groups to send key shares for; by default the preferred one and X25519. */
  readonly keyShareGroups?: ReadonlyArray<NamedGroup> | undefined
  /** Without it the server's tickets are ignored. */
  readonly resumption?: ClientResumption
}

export interface ClientResumption {
  /** Unix time. */
  readonly nowMillis: () => number
  /** A ticket from an earlier session; ignored if it does not match the rest of the configuration. */
  readonly ticket: SessionTicket | undefined
  /** Offer 0-RTT if the ticket allows it. */
  readonly earlyData: boolean
  /**
   * Asked once the server's handshake is right and before ours is completed, which is when the server's application sees the
   * connection: false holds it back until `handleVerdict`, and is asked again then. Default: it is completed.
   */
  readonly mayFinish?: () => boolean
}

export interface TlsServerConfig extends TlsConfig {
  readonly selectIdentity: (hello: {
    readonly serverName: string | undefined
    readonly signatureSchemes: ReadonlyArray<number>
    readonly certificateTypes: ReadonlyArray<CertificateType>
  }) => TlsIdentity | undefined
  readonly requestClientCertificate: "none" | "request" | "require"
  /** Without it no tickets are issued or accepted. */
  readonly resumption?: ServerResumption
}

export interface ServerResumption {
  /** Unix time. */
  readonly nowMillis: () => number
  /** Lifetime of tickets, 1 … 604800. */
  readonly ticketLifetimeSeconds: number
  /** Encrypts and authenticates ticket contents for `openTicket`, possibly in another process. */
  readonly sealTicket: (plaintext: Uint8Array) => Uint8Array
  /** Undefined for anything not created by `sealTicket`. */
  readonly openTicket: (identity: Uint8Array) => Uint8Array | undefined
  /** Whether a session may be resumed in this connection. By default any may. */
  readonly mayResume?: (ticket: SessionTicket) => boolean
  /** Decides whether to accept 0-RTT: guards against replay and changed settings. Without it 0-RTT is never accepted. */
  readonly acceptEarlyData?: (request: EarlyDataRequest) => boolean
}

/** A request for 0-RTT whose PSK binder has been verified. RFC 8446 §8 */
export interface EarlyDataRequest {
  /** The ticket as sent by the client: the key for single-use tickets. RFC 8446 §8.1 */
  readonly ticket: Uint8Array
  /** The verified binder, unique per ClientHello: the key for recording ClientHellos. RFC 8446 §8.2 */
  readonly binder: Uint8Array
  /** The earliest time at which this ClientHello could have been accepted, given its ticket age. */
  readonly earliestMillis: number
  readonly alpn: string
  readonly serverName: string | undefined
  /** Ours when the ticket was issued; 0-RTT must stay within both these and the current ones. RFC 9000 §7.4.1 */
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
  /** The peer's; on a client, authenticated only once `complete`. */
  | { readonly _tag: "transportParameters"; readonly bytes: Uint8Array }
  /**
   * The peer has proved possession of this key, now or in the resumed session. The handshake pauses until `handleVerdict`
   * decides whether to trust it.
   */
  | { readonly _tag: "verifyPeer"; readonly peer: PeerCertificate; readonly serverName: string | undefined }
  /** 0-RTT keys were installed; these facts apply if it is accepted (client), or as it was (server). */
  | { readonly _tag: "early"; readonly facts: TlsFacts }
  /** Outcome of the client's 0-RTT; precedes the transport parameters, as it determines how they are applied. */
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
 * A driver calls `start` and `handleCrypto`, then polls all events, then all outputs. Nothing follows `failed`. This
 * class splits messages and pauses while the peer is being verified; `TlsClient` and `TlsServer` process the messages.
 */
export abstract class TlsSession {
  protected readonly suite: CryptoSuiteShape
  protected readonly transcript: Transcript
  protected schedule: KeySchedule | undefined = undefined
  protected clientRandom: Uint8Array = new Uint8Array(0)
  /** Set once the handshake is complete; it handles everything from then on, and this object can be freed. */
  postHandshake: PostHandshake | undefined = undefined
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

  /** Starts the handshake; no-op on the server. */
  abstract start(): void

  /** A complete message, including its header; level and type have been checked. */
  protected abstract onMessage(type: number, message: Uint8Array): TlsFailure | undefined

  /** Continues what was paused for the verdict. */
  protected onAccepted(): TlsFailure | undefined {
    return undefined
  }

  /** The failure after a peer was refused; undefined if it may authenticate another way. */
  protected onRefused(problem: TlsFailure): TlsFailure | undefined {
    return problem
  }

  /** In-order CRYPTO bytes of `level`, in arbitrary fragments. */
  handleCrypto(level: Level, bytes: Uint8Array): void {
    if (this.failed) return
    if (this.postHandshake !== undefined) {
      const problem = this.postHandshake.handleCrypto(level, bytes, (ticket) =>
        this.emit({ _tag: "ticket", ticket })
      )
      return problem && this.fail(problem)
    }
    const problem = this.reader.push(level, bytes)
    if (problem !== undefined) return this.fail(problem)
    this.drain()
  }

  /** Whether a `verifyPeer` is unanswered, or the handshake held back. */
  get awaitsVerdict(): boolean {
    return this.waitingForVerdict
  }

  /** The answer to `verifyPeer`, or to having been held back. */
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

  /** Unlike handshake messages, tickets are not added to the transcript. */
  protected sendTicket(message: Uint8Array): void {
    this.outputs.push({ level: Level.OneRtt, bytes: message })
  }

  protected pauseForVerdict(peer: PeerCertificate, serverName: string | undefined): void {
    this.waitingForVerdict = true
    this.events.push({ _tag: "verifyPeer", peer, serverName })
  }

  /** Pauses without a question. */
  protected holdBack(): void {
    this.waitingForVerdict = true
  }

  /** The peer's messages are expected at `level` from now on; call before installing its keys. */
  protected readFrom(level: Level): TlsFailure | undefined {
    return this.reader.moveTo(level)
  }

  /** Installs the 0-RTT keys of the only direction. `hello` is the digest of the ClientHello alone. */
  protected installEarlyKeys(
    schedule: KeySchedule,
    cipher: CipherSuite,
    role: Role,
    hello: Uint8Array
  ): void {
    const secret = schedule.earlySecret(hello)
    this.logKey("CLIENT_EARLY_TRAFFIC_SECRET", secret)
    // RFC 9001 §5.6 #3 #4: a server never writes in 0-RTT, a client never reads
    this.emitKeys(Level.ZeroRtt, role === "client" ? "write" : "read", cipher, secret)
  }

  /** Installs the Handshake keys of both directions. RFC 9001 §4.9: write keys first, so that replies can be protected. */
  protected installHandshakeKeys(cipher: CipherSuite, role: Role): TrafficSecrets {
    const secrets = this.schedule!.handshakeSecrets(this.transcript.digest())
    const { client, server } = secrets
    this.logKey("CLIENT_HANDSHAKE_TRAFFIC_SECRET", client)
    this.logKey("SERVER_HANDSHAKE_TRAFFIC_SECRET", server)
    this.emitKeys(Level.Handshake, "write", cipher, secrets[role])
    this.emitKeys(Level.Handshake, "read", cipher, secrets[otherRole(role)])
    return secrets
  }

  /** Derives the 1-RTT secrets from the transcript up to the server's Finished. */
  protected deriveApplicationSecrets(): TrafficSecrets {
    const secrets = this.schedule!.applicationSecrets(this.transcript.digest())
    this.logKey("CLIENT_TRAFFIC_SECRET_0", secrets.client)
    this.logKey("SERVER_TRAFFIC_SECRET_0", secrets.server)
    this.logKey("EXPORTER_SECRET", this.schedule!.exporterSecret)
    return secrets
  }

  /** Outlives the key schedule. RFC 8446 §7.5 */
  protected exporter(cipher: CipherSuite): Exporter {
    return new Exporter(this.suite, cipher, keepBytes(this.schedule!.exporterSecret))
  }

  protected emitKeys(
    level: Level,
    direction: "read" | "write",
    cipher: CipherSuite,
    secret: Uint8Array
  ): void {
    this.events.push({ _tag: "keys", level, direction, cipherSuite: cipher.codepoint, secret })
  }

  /** Verifies a received Finished in constant time and adds it to the transcript. RFC 8446 §4.4.4 */
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
