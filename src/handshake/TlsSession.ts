import type { CryptoSuiteShape, NamedGroup, RandomBytes, SigningKey } from "../capability/CryptoSuite.ts"
import type { CipherSuite } from "../protect/CipherSuite.ts"
import { Level } from "../wire/PacketType.ts"
import { Alert, failure, type TlsFailure } from "./alerts.ts"
import type { KeySchedule, TrafficSecrets } from "./KeySchedule.ts"
import { HandshakeType } from "./messages.ts"
import { Transcript } from "./Transcript.ts"

export type CertificateKind = "x509" | "rawPublicKey"

/** What one side authenticates with. */
export interface TlsIdentity {
  readonly kind: CertificateKind
  /** DER certificates, leaf first; for a raw public key, its one SubjectPublicKeyInfo. */
  readonly chain: ReadonlyArray<Uint8Array>
  readonly key: SigningKey
}

export type TlsPeer =
  | { readonly kind: "x509"; readonly chain: ReadonlyArray<Uint8Array> }
  | { readonly kind: "rawPublicKey"; readonly spki: Uint8Array }

/** What was negotiated. */
export interface TlsFacts {
  readonly cipherSuite: number
  readonly group: NamedGroup
  readonly alpn: string
  readonly serverName: string | undefined
  /** The scheme the peer signed with; undefined when it did not authenticate. */
  readonly signatureScheme: number | undefined
  readonly peer: TlsPeer | undefined
}

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
  readonly peerCertificateTypes: ReadonlyArray<CertificateKind>
  readonly keyLog: boolean
}

export interface TlsClientConfig extends TlsConfig {
  /** SNI; undefined for an IP literal. */
  readonly serverName: string | undefined
  /** Shown when the server asks. */
  readonly identity: TlsIdentity | undefined
}

export interface TlsServerConfig extends TlsConfig {
  readonly selectIdentity: (hello: {
    readonly serverName: string | undefined
    readonly signatureSchemes: ReadonlyArray<number>
    readonly certificateTypes: ReadonlyArray<CertificateKind>
  }) => TlsIdentity | undefined
  readonly requestClientCertificate: "none" | "request" | "require"
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
  /** The peer has proven that it holds this key; whose it is, is for `handleVerdict` to say. The handshake waits. */
  | { readonly _tag: "verifyPeer"; readonly peer: TlsPeer; readonly serverName: string | undefined }
  | { readonly _tag: "complete"; readonly facts: TlsFacts }
  /** A line for SSLKEYLOGFILE. */
  | { readonly _tag: "keyLog"; readonly line: string }
  | ({ readonly _tag: "failed" } & TlsFailure)

/** One handshake message may be this large: certificate chains are the largest. */
export const MAX_MESSAGE_BYTES = 65_536

/**
 * TLS 1.3 for QUIC as a pure state machine: CRYPTO bytes in, CRYPTO bytes and events out. RFC 8446, RFC 9001 §4
 *
 * This half frames messages, holds them to their encryption level, and pauses while the peer is being judged; what
 * each message means is in `TlsClient` and `TlsServer`.
 */
export abstract class TlsSession {
  protected readonly suite: CryptoSuiteShape
  protected readonly transcript: Transcript
  protected schedule: KeySchedule | undefined = undefined
  protected clientRandom: Uint8Array = new Uint8Array(0)
  protected complete = false
  /** The level the peer's next message must come at. */
  private readLevel: Level = Level.Initial
  private pending: Uint8Array = new Uint8Array(0)
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

  /** In-order CRYPTO bytes of `level`, fragmented in any way. */
  handleCrypto(level: Level, bytes: Uint8Array): void {
    if (this.failed) return
    if (level !== this.readLevel)
      return this.fail(failure(Alert.unexpected_message, "handshake bytes at the wrong encryption level"))
    if (this.pending.length + bytes.length > 2 * MAX_MESSAGE_BYTES)
      return this.fail(failure(Alert.unexpected_message, "too many handshake bytes"))
    this.pending = this.pending.length === 0 ? bytes : concat([this.pending, bytes])
    this.drain()
  }

  /** The answer to `verifyPeer`. */
  handleVerdict(verdict: PeerVerdict): void {
    if (this.failed || !this.waitingForVerdict) return
    this.waitingForVerdict = false
    if (!verdict.ok) return this.fail(failure(verdict.alert, verdict.reason))
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
    return this.complete ? this.schedule?.exporter(label, context, length) : undefined
  }

  private drain(): void {
    while (!this.failed && !this.waitingForVerdict && this.pending.length >= 4) {
      const { pending } = this
      const length = (pending[1] << 16) | (pending[2] << 8) | pending[3]
      if (length > MAX_MESSAGE_BYTES)
        return this.fail(failure(Alert.decode_error, `a handshake message of ${length} bytes`))
      if (pending.length < 4 + length) return
      const message = pending.slice(0, 4 + length)
      this.pending = pending.subarray(4 + length)
      const level = this.readLevel
      const problem = this.onMessage(message[0], message)
      if (problem !== undefined) return this.fail(problem)
      // RFC 8446 §5.1: key changes fall between messages, and nothing of the old level may follow
      if (this.readLevel !== level && this.pending.length > 0)
        return this.fail(failure(Alert.unexpected_message, "handshake bytes left over at a key change"))
    }
  }

  protected fail(problem: TlsFailure): void {
    if (this.failed) return
    this.failed = true
    this.pending = new Uint8Array(0)
    this.events.push({ _tag: "failed", ...problem })
  }

  protected emit(event: TlsEvent): void {
    this.events.push(event)
  }

  protected send(level: Level, message: Uint8Array): void {
    this.transcript.add(message)
    this.outputs.push({ level, bytes: message })
  }

  protected pauseForVerdict(peer: TlsPeer, serverName: string | undefined): void {
    this.waitingForVerdict = true
    this.events.push({ _tag: "verifyPeer", peer, serverName })
  }

  /** From here on the peer's messages come at `level`. */
  protected readFrom(level: Level): void {
    this.readLevel = level
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

/** The failure for a message that the state does not allow. */
export const unexpected = (type: number, state: string): TlsFailure => {
  const name = Object.entries(HandshakeType).find(([, value]) => value === type)?.[0] ?? `message ${type}`
  return failure(Alert.unexpected_message, `${name} while ${state}`)
}

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}
