import { keepBytes } from "../internal/keepBytes.ts"
import type { PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { KeyShare, NamedGroup } from "../capability/CryptoSuite.ts"
import { type CipherSuite, cipherSuites } from "../protect/CipherSuite.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { Level } from "../wire/PacketType.ts"
import { PostHandshake, type TicketSession } from "./PostHandshake.ts"
import { Alert, failure, isFailure, type TlsFailure } from "./alerts.ts"
import { certificateMessage, chooseScheme, peerOf, signedMessage, verifySigned } from "./certificateVerify.ts"
import {
  Extension,
  type Extensions,
  readU16,
  readU16List,
  TLS13,
  writeAlpn,
  writeCertificateTypes,
  writeServerName,
  writeU16List
} from "./extensions.ts"
import { KeySchedule, type TrafficSecrets } from "./KeySchedule.ts"
import {
  HandshakeType,
  message,
  RANDOM_BYTES,
  readCertificate,
  readCertificateRequest,
  readEncryptedExtensions,
  readServerHello,
  unexpected,
  writeClientHello
} from "./messages.ts"
import { makeShares, shareGroups, writeShares } from "./keyShares.ts"
import { PskOffer } from "./PskOffer.ts"
import { pskModes } from "./preSharedKey.ts"
import { checkServerHello, readServerChoice, type ServerChoice } from "./serverChoice.ts"
import { type EarlyDataOutcome, type TlsClientConfig, TlsSession } from "./TlsSession.ts"

type State =
  | "verifying the ticket's server"
  | "held back"
  | "awaiting ServerHello"
  | "awaiting EncryptedExtensions"
  | "awaiting Certificate or CertificateRequest"
  | "awaiting Certificate"
  | "awaiting CertificateVerify"
  | "awaiting Finished"

/** The client state machine. RFC 8446 §A.1 */
export class TlsClient extends TlsSession {
  private readonly config: TlsClientConfig
  private state: State = "awaiting ServerHello"
  private shares: ReadonlyArray<KeyShare> = []
  private psk: PskOffer | undefined = undefined
  private parameters!: Uint8Array
  private cookie: Uint8Array | undefined = undefined
  /** Selected by HelloRetryRequest or ServerHello. */
  private cipher: CipherSuite | undefined = undefined
  private group!: NamedGroup
  private resumed = false
  private earlyData: EarlyDataOutcome = "none"
  private choice!: ServerChoice
  /** The schemes the server accepts; set if it requested a certificate. */
  private requestedSchemes: ReadonlyArray<number> | undefined = undefined
  private peer: PeerCertificate | undefined = undefined
  private peerScheme: number | undefined = undefined
  private handshakeSecrets!: TrafficSecrets

  constructor(config: TlsClientConfig) {
    super(config)
    this.config = config
  }

  start(): void {
    this.psk = PskOffer.of(this.config)
    if (this.psk === undefined) return this.offer()
    // The server may no longer be trusted since it issued the ticket, and could read 0-RTT data.
    this.state = "verifying the ticket's server"
    this.pauseForVerdict(this.psk.ticket.peer, this.config.serverName)
  }

  protected override onAccepted(): TlsFailure | undefined {
    if (this.state === "held back") return this.finish()
    if (this.state === "verifying the ticket's server") this.offer()
    return undefined
  }

  /** A server whose ticket is refused may present other credentials in a full handshake. */
  protected override onRefused(problem: TlsFailure): TlsFailure | undefined {
    if (this.state !== "verifying the ticket's server") return problem
    this.psk = undefined
    this.offer()
    return undefined
  }

  private offer(): void {
    const { config, suite } = this
    this.state = "awaiting ServerHello"
    this.clientRandom = config.random(RANDOM_BYTES)
    this.parameters = config.transportParameters(undefined)
    const remembered = config.groups.find((group) => group === this.psk?.ticket.group)
    this.shares = makeShares(shareGroups(config, remembered), suite, config.random)
    const hello = this.sendHello()
    const { psk } = this
    if (psk?.earlyData !== true) return
    this.earlyData = "pending" // until EncryptedExtensions
    this.installEarlyKeys(psk.schedule, psk.cipher, "client", suite.hash(psk.cipher.hash, hello))
    const { cipherSuite, alpn, serverName, peer } = psk.ticket
    this.emit({
      _tag: "early",
      facts: {
        cipherSuite,
        group: remembered ?? config.groups[0],
        alpn,
        serverName,
        signatureScheme: undefined,
        peer,
        resumed: true,
        earlyData: "pending"
      }
    })
  }

  private sendHello(): Uint8Array {
    const { config, psk } = this
    const extensions: Array<readonly [number, Uint8Array]> = [
      [Extension.supported_versions, writeU16List([TLS13], 1)], // RFC 9001 §4.2 #1
      [Extension.supported_groups, writeU16List(config.groups, 2)],
      [Extension.signature_algorithms, writeU16List(this.suite.signatureSchemes, 2)],
      [Extension.key_share, writeShares(this.shares)],
      [Extension.alpn, writeAlpn(config.alpn)],
      [Extension.quic_transport_parameters, this.parameters]
    ]
    if (config.serverName !== undefined)
      extensions.push([Extension.server_name, writeServerName(config.serverName)])
    if (config.peerCertificateTypes.includes("rawPublicKey"))
      extensions.push([Extension.server_certificate_type, writeCertificateTypes(config.peerCertificateTypes)])
    if (config.identity?.kind === "rawPublicKey")
      extensions.push([Extension.client_certificate_type, writeCertificateTypes(["rawPublicKey"])])
    if (this.cookie !== undefined) extensions.push([Extension.cookie, this.cookie])
    // RFC 8446 §4.2.9: otherwise the server issues no tickets
    if (config.resumption !== undefined) extensions.push([Extension.psk_key_exchange_modes, pskModes])
    if (psk !== undefined) extensions.push(...psk.extensions())
    const hello = writeClientHello(this.clientRandom, config.cipherSuites, extensions)
    psk?.bind(hello, this.transcript)
    this.send(Level.Initial, hello)
    return hello
  }

  protected onMessage(type: number, bytes: Uint8Array): TlsFailure | undefined {
    switch (this.state) {
      case "verifying the ticket's server":
      case "held back":
        return unexpected(type, this.state)
      case "awaiting ServerHello":
        return type === HandshakeType.server_hello ? this.onServerHello(bytes) : unexpected(type, this.state)
      case "awaiting EncryptedExtensions":
        return type === HandshakeType.encrypted_extensions
          ? this.onEncryptedExtensions(bytes)
          : unexpected(type, this.state)
      case "awaiting Certificate or CertificateRequest":
        if (type === HandshakeType.certificate_request) return this.onCertificateRequest(bytes)
        return type === HandshakeType.certificate ? this.onCertificate(bytes) : unexpected(type, this.state)
      case "awaiting Certificate":
        return type === HandshakeType.certificate ? this.onCertificate(bytes) : unexpected(type, this.state)
      case "awaiting CertificateVerify":
        return type === HandshakeType.certificate_verify
          ? this.onCertificateVerify(bytes)
          : unexpected(type, this.state)
      case "awaiting Finished":
        return type === HandshakeType.finished ? this.onFinished(bytes) : unexpected(type, this.state)
    }
  }

  private onServerHello(bytes: Uint8Array): TlsFailure | undefined {
    const hello = readServerHello(bytes)
    if (isFailure(hello)) return hello
    const problem = checkServerHello(hello, this.config, this.cipher, this.psk)
    if (problem !== undefined) return problem
    const { extensions } = hello
    const cipher = cipherSuites.get(hello.cipherSuite)!
    if (hello.isRetry) return this.onHelloRetryRequest(cipher, extensions, bytes)
    const r = new ByteReader(extensions.get(Extension.key_share)!)
    const group = r.u16()
    const peerShare = r.take(r.u16())
    if (r.failed || r.remaining > 0) return failure(Alert.decode_error, "key_share is malformed")
    // RFC 8446 §4.2.8
    const share = this.shares.find((ours) => ours.group === group)
    if (share === undefined)
      return failure(Alert.illegal_parameter, "the server's key share is for a group that was not offered")
    const secret = share.agree(peerShare)
    this.dropShares()
    if (secret === undefined) return failure(Alert.illegal_parameter, "the server's key share is invalid")
    const leftover = this.readFrom(Level.Handshake)
    if (leftover !== undefined) return leftover
    this.cipher = cipher
    this.group = share.group
    this.resumed = extensions.has(Extension.pre_shared_key)
    this.transcript.begin(cipher.hash)
    this.transcript.add(bytes)
    this.schedule = this.resumed ? this.psk!.schedule : new KeySchedule(this.suite, cipher)
    this.schedule.agree(secret)
    this.handshakeSecrets = this.installHandshakeKeys(cipher, "client")
    this.state = "awaiting EncryptedExtensions"
    return undefined
  }

  // RFC 8446 §4.1.4
  private onHelloRetryRequest(
    cipher: CipherSuite,
    extensions: Extensions,
    bytes: Uint8Array
  ): TlsFailure | undefined {
    if (this.cipher !== undefined) return failure(Alert.unexpected_message, "a second HelloRetryRequest")
    this.cipher = cipher
    const selected = extensions.get(Extension.key_share)
    this.cookie = extensions.get(Extension.cookie)
    if (selected === undefined && this.cookie === undefined)
      return failure(Alert.illegal_parameter, "HelloRetryRequest that changes nothing")
    if (this.cookie !== undefined && !isCookie(this.cookie))
      return failure(Alert.decode_error, "the cookie is malformed")
    if (selected !== undefined) {
      const code = readU16(selected)
      const group = this.config.groups.find((offered) => offered === code)
      if (group === undefined || this.shares.some((share) => share.group === group))
        return failure(
          Alert.illegal_parameter,
          "HelloRetryRequest for a group that was not offered, or already sent"
        )
      this.dropShares()
      this.shares = [this.suite.keyShare(group, this.config.random)]
    }
    this.transcript.foldFirstHello(cipher.hash)
    this.transcript.add(bytes)
    const { psk } = this
    if (psk !== undefined) {
      if (psk.earlyData) this.rejectEarlyData()
      // RFC 8446 §4.2.10: no early data in the second ClientHello; §4.1.4: no PSK with another hash
      psk.earlyData = false
      if (psk.cipher.hash !== cipher.hash) this.psk = undefined
    }
    this.sendHello()
    return undefined
  }

  private dropShares(): void {
    for (const share of this.shares) share.release?.()
    this.shares = []
  }

  private rejectEarlyData(): void {
    this.earlyData = "rejected"
    this.emit({ _tag: "earlyData", accepted: false })
  }

  private onEncryptedExtensions(bytes: Uint8Array): TlsFailure | undefined {
    const extensions = readEncryptedExtensions(bytes)
    if (isFailure(extensions)) return extensions
    const { config, psk, resumed } = this
    const choice = readServerChoice(extensions, config, psk?.earlyData === true, resumed)
    if (isFailure(choice)) return choice
    const { earlyData } = choice
    // RFC 8446 §4.2.10: early data requires the PSK's application protocol and cipher suite
    if (earlyData && !(resumed && psk!.ticket.alpn === choice.alpn && psk!.cipher === this.cipher))
      return failure(Alert.illegal_parameter, "the server accepts early data of another session")
    this.choice = choice
    this.transcript.add(bytes)
    if (earlyData) {
      this.earlyData = "accepted"
      this.emit({ _tag: "earlyData", accepted: true })
    } else if (this.earlyData === "pending") this.rejectEarlyData()
    this.emit({ _tag: "transportParameters", bytes: choice.transportParameters })
    if (!resumed) {
      this.state = "awaiting Certificate or CertificateRequest"
      return undefined
    }
    this.peer = psk!.ticket.peer
    this.state = "awaiting Finished"
    return undefined
  }

  private onCertificateRequest(bytes: Uint8Array): TlsFailure | undefined {
    const extensions = readCertificateRequest(bytes)
    if (isFailure(extensions)) return extensions
    // RFC 8446 §4.3.2
    const algorithms = extensions.get(Extension.signature_algorithms)
    if (algorithms === undefined)
      return failure(Alert.missing_extension, "CertificateRequest without signature algorithms")
    const schemes = readU16List(algorithms, 2)
    if (schemes === undefined)
      return failure(Alert.decode_error, "the signature algorithms of CertificateRequest are malformed")
    this.requestedSchemes = schemes
    this.transcript.add(bytes)
    this.state = "awaiting Certificate"
    return undefined
  }

  private onCertificate(bytes: Uint8Array): TlsFailure | undefined {
    const chain = readCertificate(bytes)
    if (isFailure(chain)) return chain
    // RFC 8446 §4.4.2.4: a server always authenticates
    if (chain.length === 0) return failure(Alert.decode_error, "the server sent no certificate")
    const peer = peerOf(chain, this.choice.serverCertificateType)
    if (isFailure(peer)) return peer
    this.peer = peer
    this.transcript.add(bytes)
    this.state = "awaiting CertificateVerify"
    return undefined
  }

  private onCertificateVerify(bytes: Uint8Array): TlsFailure | undefined {
    const verified = verifySigned(this.suite, bytes, this.peer!, "server", this.transcript.digest())
    if (isFailure(verified)) return verified
    this.peerScheme = verified.scheme
    this.transcript.add(bytes)
    this.state = "awaiting Finished"
    // RFC 9001 §4.4 #1: the server has proved possession of the key; the verifier decides whether to trust it
    this.pauseForVerdict(this.peer!, this.config.serverName)
    return undefined
  }

  private onFinished(bytes: Uint8Array): TlsFailure | undefined {
    return this.acceptFinished(bytes, this.handshakeSecrets.server) ?? this.finish()
  }

  private finish(): TlsFailure | undefined {
    if (this.config.resumption?.mayFinish?.() === false) {
      this.state = "held back"
      this.holdBack()
      return undefined
    }
    const leftover = this.readFrom(Level.OneRtt)
    if (leftover !== undefined) return leftover
    const secrets = this.deriveApplicationSecrets()
    if (this.requestedSchemes !== undefined) this.authenticate(this.requestedSchemes)
    const verifyData = this.schedule!.finished(this.handshakeSecrets.client, this.transcript.digest())
    // RFC 9001 §8.3 #1: not preceded by EndOfEarlyData
    this.send(Level.Handshake, message(HandshakeType.finished, verifyData))
    this.schedule!.resume(this.transcript.digest())
    const cipher = this.cipher!
    this.emitKeys(Level.OneRtt, "write", cipher, secrets.client)
    // RFC 9001 §5.7 #1 #3: the server is authenticated and the handshake complete
    this.emitKeys(Level.OneRtt, "read", cipher, secrets.server)
    this.postHandshake = new PostHandshake("client", this.exporter(cipher), this.ticketSession())
    this.emit({
      _tag: "complete",
      facts: {
        cipherSuite: cipher.codepoint,
        group: this.group,
        alpn: this.choice.alpn,
        serverName: this.config.serverName,
        signatureScheme: this.peerScheme,
        peer: this.peer,
        resumed: this.resumed,
        earlyData: this.earlyData
      }
    })
    return undefined
  }

  /** Sends our identity if the server accepts its form, otherwise an empty Certificate. RFC 8446 §4.4.2 */
  private authenticate(schemes: ReadonlyArray<number>): void {
    const { identity } = this.config
    const scheme = identity === undefined ? undefined : chooseScheme(identity, schemes)
    if (
      identity === undefined ||
      scheme === undefined ||
      identity.kind !== this.choice.clientCertificateType
    ) {
      this.send(Level.Handshake, certificateMessage(undefined))
      return
    }
    this.send(Level.Handshake, certificateMessage(identity))
    this.send(Level.Handshake, signedMessage(identity, scheme, "client", this.transcript.digest()))
  }

  private ticketSession(): TicketSession | undefined {
    const { config, suite, group, choice, peer } = this
    if (config.resumption === undefined) return undefined
    return {
      suite,
      cipher: this.cipher!,
      resumptionSecret: keepBytes(this.schedule!.resumptionSecret),
      group,
      alpn: choice.alpn,
      serverName: config.serverName,
      transportParameters: choice.transportParameters,
      peer,
      nowMillis: config.resumption.nowMillis
    }
  }
}

/** `opaque cookie<1..2^16-1>`. RFC 8446 §4.2.2 */
const isCookie = (body: Uint8Array): boolean =>
  body.length > 2 && ((body[0] << 8) | body[1]) === body.length - 2
