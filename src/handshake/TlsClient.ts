import type { KeyShare } from "../capability/CryptoSuite.ts"
import { type CipherSuite, cipherSuites } from "../protect/CipherSuite.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { Level } from "../wire/PacketType.ts"
import { Alert, failure, type TlsFailure } from "./alerts.ts"
import { certificateMessage, chooseScheme, peerOf, signedMessage, verifySigned } from "./certificateVerify.ts"
import {
  certificateKind,
  Extension,
  type Extensions,
  isFailure,
  readAlpn,
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
  type ServerHello,
  writeClientHello
} from "./messages.ts"
import {
  type CertificateKind,
  type TlsClientConfig,
  type TlsPeer,
  TlsSession,
  unexpected
} from "./TlsSession.ts"

type State =
  | "awaiting ServerHello"
  | "awaiting EncryptedExtensions"
  | "awaiting Certificate or CertificateRequest"
  | "awaiting Certificate"
  | "awaiting CertificateVerify"
  | "awaiting Finished"
  | "connected"

/** The client's side. RFC 8446 §A.1 */
export class TlsClient extends TlsSession {
  private readonly config: TlsClientConfig
  private state: State = "awaiting ServerHello"
  private share!: KeyShare
  private cookie: Uint8Array | undefined = undefined
  private retried = false
  private cipher: CipherSuite | undefined = undefined
  private alpn = ""
  private serverCertificateType: CertificateKind = "x509"
  private clientCertificateType: CertificateKind = "x509"
  /** The schemes the server takes, when it asked for a certificate. */
  private requestedSchemes: ReadonlyArray<number> | undefined = undefined
  private peer: TlsPeer | undefined = undefined
  private peerScheme: number | undefined = undefined
  private handshakeSecrets!: TrafficSecrets

  constructor(config: TlsClientConfig) {
    super(config)
    this.config = config
  }

  start(): void {
    this.clientRandom = this.config.random(RANDOM_BYTES)
    this.share = this.suite.keyShare(this.config.groups[0], this.config.random)
    this.sendHello()
  }

  private sendHello(): void {
    const { config, share } = this
    const keyShare = new ByteWriter(new Uint8Array(2 + 4 + share.publicKey.length))
    keyShare.u16(4 + share.publicKey.length)
    keyShare.u16(share.group)
    keyShare.u16(share.publicKey.length)
    keyShare.copy(share.publicKey)
    const extensions: Array<readonly [number, Uint8Array]> = [
      [Extension.supported_versions, writeU16List([TLS13], 1)],
      [Extension.supported_groups, writeU16List(config.groups, 2)],
      [Extension.signature_algorithms, writeU16List(this.suite.signatureSchemes, 2)],
      [Extension.key_share, keyShare.bytes],
      [Extension.alpn, writeAlpn(config.alpn)],
      [Extension.quic_transport_parameters, config.transportParameters(undefined)]
    ]
    if (config.serverName !== undefined)
      extensions.push([Extension.server_name, writeServerName(config.serverName)])
    if (config.peerCertificateTypes.includes("rawPublicKey"))
      extensions.push([Extension.server_certificate_type, writeCertificateTypes(config.peerCertificateTypes)])
    if (config.identity?.kind === "rawPublicKey")
      extensions.push([Extension.client_certificate_type, writeCertificateTypes(["rawPublicKey"])])
    if (this.cookie !== undefined) extensions.push([Extension.cookie, this.cookie])
    this.send(Level.Initial, writeClientHello(this.clientRandom, config.cipherSuites, extensions))
  }

  protected onMessage(type: number, bytes: Uint8Array): TlsFailure | undefined {
    switch (this.state) {
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
      case "connected":
        // RFC 9001 §6: KeyUpdate is forbidden; tickets are for those who resume
        return type === HandshakeType.new_session_ticket ? undefined : unexpected(type, this.state)
    }
  }

  private onServerHello(bytes: Uint8Array): TlsFailure | undefined {
    const hello = readServerHello(bytes)
    if (isFailure(hello)) return hello
    const problem = this.checkHello(hello)
    if (problem !== undefined) return problem
    const cipher = cipherSuites.get(hello.cipherSuite)!
    this.cipher = cipher
    this.transcript.begin(cipher.hash)
    if (hello.isRetry) return this.onRetry(hello.extensions, bytes)
    const r = new ByteReader(hello.extensions.get(Extension.key_share)!)
    const group = r.u16()
    const peerShare = r.take(r.u16())
    if (r.failed || r.remaining > 0) return failure(Alert.decode_error, "key_share is malformed")
    if (group !== this.share.group)
      return failure(Alert.illegal_parameter, "the server's key share is of another group")
    const secret = this.share.agree(peerShare)
    if (secret === undefined) return failure(Alert.illegal_parameter, "the server's key share is invalid")
    this.transcript.add(bytes)
    this.schedule = new KeySchedule(this.suite, cipher)
    this.schedule.agree(secret)
    this.handshakeSecrets = this.installHandshakeKeys(cipher, true)
    this.readFrom(Level.Handshake)
    this.state = "awaiting EncryptedExtensions"
    return undefined
  }

  // RFC 8446 §4.1.3: what the server chose must have been offered, and nothing else may be said
  private checkHello({ cipherSuite, extensions, isRetry }: ServerHello): TlsFailure | undefined {
    const version = extensions.get(Extension.supported_versions)
    if (version === undefined) return failure(Alert.protocol_version, "the server does not speak TLS 1.3") // RFC 9001 §4.2
    if (version.length !== 2 || ((version[0] << 8) | version[1]) !== TLS13)
      return failure(Alert.illegal_parameter, "the server chose a version that was not offered")
    if (!this.config.cipherSuites.includes(cipherSuite))
      return failure(Alert.illegal_parameter, "the server chose a cipher suite that was not offered")
    // RFC 8446 §4.1.4
    if (this.cipher !== undefined && this.cipher.codepoint !== cipherSuite)
      return failure(Alert.illegal_parameter, "the server changed the cipher suite after HelloRetryRequest")
    for (const type of extensions.keys()) {
      const known =
        type === Extension.supported_versions ||
        type === Extension.key_share ||
        (isRetry && type === Extension.cookie)
      if (!known) return failure(Alert.unsupported_extension, `ServerHello with extension ${type}`)
    }
    if (!isRetry && !extensions.has(Extension.key_share))
      return failure(Alert.missing_extension, "ServerHello without a key share")
    return undefined
  }

  // RFC 8446 §4.1.4
  private onRetry(extensions: Extensions, bytes: Uint8Array): TlsFailure | undefined {
    if (this.retried) return failure(Alert.unexpected_message, "a second HelloRetryRequest")
    this.retried = true
    const selected = extensions.get(Extension.key_share)
    this.cookie = extensions.get(Extension.cookie)?.slice()
    if (selected === undefined && this.cookie === undefined)
      return failure(Alert.illegal_parameter, "HelloRetryRequest that changes nothing")
    if (selected !== undefined) {
      const code = selected.length === 2 ? (selected[0] << 8) | selected[1] : -1
      const group = this.config.groups.find((offered) => offered === code)
      if (group === undefined || group === this.share.group)
        return failure(
          Alert.illegal_parameter,
          "HelloRetryRequest for a group that was not offered, or already sent"
        )
      this.share = this.suite.keyShare(group, this.config.random)
    }
    this.transcript.foldFirstHello()
    this.transcript.add(bytes)
    this.sendHello()
    return undefined
  }

  private onEncryptedExtensions(bytes: Uint8Array): TlsFailure | undefined {
    const extensions = readEncryptedExtensions(bytes)
    if (isFailure(extensions)) return extensions
    const { config } = this
    for (const [type, body] of extensions) {
      const problem = this.onEncryptedExtension(type, body)
      if (problem !== undefined) return problem
    }
    // RFC 9001 §8.1, §8.2
    if (!config.alpn.includes(this.alpn))
      return failure(Alert.no_application_protocol, "the server chose none of our application protocols")
    const parameters = extensions.get(Extension.quic_transport_parameters)
    if (parameters === undefined)
      return failure(Alert.missing_extension, "the server sent no transport parameters")
    if (!config.peerCertificateTypes.includes(this.serverCertificateType))
      return failure(Alert.unsupported_certificate, "the server authenticates in a form we do not take")
    this.transcript.add(bytes)
    this.emit({ _tag: "transportParameters", bytes: parameters.slice() })
    this.state = "awaiting Certificate or CertificateRequest"
    return undefined
  }

  private onEncryptedExtension(type: number, body: Uint8Array): TlsFailure | undefined {
    switch (type) {
      case Extension.alpn: {
        const chosen = readAlpn(body)
        if (chosen?.length !== 1) return failure(Alert.decode_error, "the server's ALPN is malformed")
        this.alpn = chosen[0]
        return undefined
      }
      case Extension.server_certificate_type:
      case Extension.client_certificate_type: {
        const kind = body.length === 1 ? certificateKind(body[0]) : undefined
        const ours = type === Extension.client_certificate_type
        const offered = ours
          ? this.config.identity?.kind === "rawPublicKey"
          : this.config.peerCertificateTypes.includes("rawPublicKey")
        if (!offered)
          return failure(Alert.unsupported_extension, "the server chose a certificate type unasked")
        if (kind === undefined)
          return failure(Alert.illegal_parameter, "the server chose a certificate type nobody offered")
        if (ours) this.clientCertificateType = kind
        else this.serverCertificateType = kind
        return undefined
      }
      case Extension.server_name:
        return this.config.serverName === undefined
          ? failure(Alert.unsupported_extension, "the server acknowledged a name that was not sent")
          : undefined
      case Extension.quic_transport_parameters:
      case Extension.supported_groups:
        return undefined
      default:
        // RFC 8446 §4.2: a response to something that was not asked
        return failure(Alert.unsupported_extension, `EncryptedExtensions with extension ${type}`)
    }
  }

  private onCertificateRequest(bytes: Uint8Array): TlsFailure | undefined {
    const extensions = readCertificateRequest(bytes)
    if (isFailure(extensions)) return extensions
    const schemes = readU16List(extensions.get(Extension.signature_algorithms) ?? new Uint8Array(0), 2)
    if (schemes === undefined)
      return failure(Alert.missing_extension, "CertificateRequest without signature algorithms")
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
    const peer = peerOf(chain, this.serverCertificateType)
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
    this.pauseForVerdict(this.peer!, this.config.serverName)
    return undefined
  }

  private onFinished(bytes: Uint8Array): TlsFailure | undefined {
    const problem = this.acceptFinished(bytes, this.handshakeSecrets.server)
    if (problem !== undefined) return problem
    const secrets = this.deriveApplicationSecrets()
    if (this.requestedSchemes !== undefined) this.authenticate(this.requestedSchemes)
    const verifyData = this.schedule!.finished(this.handshakeSecrets.client, this.transcript.digest())
    this.send(Level.Handshake, message(HandshakeType.finished, verifyData))
    const cipher = this.cipher!
    this.emitKeys(Level.OneRtt, "write", cipher, secrets.client)
    this.emitKeys(Level.OneRtt, "read", cipher, secrets.server)
    this.readFrom(Level.OneRtt)
    this.state = "connected"
    this.complete = true
    this.emit({
      _tag: "complete",
      facts: {
        cipherSuite: cipher.codepoint,
        group: this.share.group,
        alpn: this.alpn,
        serverName: this.config.serverName,
        signatureScheme: this.peerScheme,
        peer: this.peer
      }
    })
    return undefined
  }

  /** Shows our identity when it is in a form the server takes, and an empty Certificate otherwise. RFC 8446 §4.4.2 */
  private authenticate(schemes: ReadonlyArray<number>): void {
    const { identity } = this.config
    const scheme = identity === undefined ? undefined : chooseScheme(identity, schemes)
    if (identity === undefined || scheme === undefined || identity.kind !== this.clientCertificateType) {
      this.send(Level.Handshake, certificateMessage(undefined))
      return
    }
    this.send(Level.Handshake, certificateMessage(identity))
    this.send(Level.Handshake, signedMessage(identity, scheme, "client", this.transcript.digest()))
  }
}
