import type { NamedGroup, SignatureScheme } from "../capability/CryptoSuite.ts"
import { type CipherSuite, cipherSuites } from "../protect/CipherSuite.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { Level } from "../wire/PacketType.ts"
import { Alert, failure, type TlsFailure } from "./alerts.ts"
import { certificateMessage, chooseScheme, peerOf, signedMessage, verifySigned } from "./certificateVerify.ts"
import {
  certificateTypeCode,
  Extension,
  type Extensions,
  isFailure,
  readAlpn,
  readCertificateTypes,
  readServerName,
  readU16List,
  TLS13,
  writeAlpn,
  writeU16List
} from "./extensions.ts"
import { KeySchedule, type TrafficSecrets } from "./KeySchedule.ts"
import {
  type ClientHello,
  HandshakeType,
  message,
  RANDOM_BYTES,
  readCertificate,
  readClientHello,
  retryRandom,
  writeCertificateRequest,
  writeEncryptedExtensions,
  writeServerHello
} from "./messages.ts"
import {
  type CertificateKind,
  type TlsIdentity,
  type TlsPeer,
  type TlsServerConfig,
  TlsSession,
  unexpected
} from "./TlsSession.ts"

type State =
  | "awaiting ClientHello"
  | "awaiting a second ClientHello"
  | "awaiting Certificate"
  | "awaiting CertificateVerify"
  | "awaiting Finished"
  | "connected"

/** What a ClientHello asks for, as far as it concerns the answer. */
interface Offer {
  readonly cipher: CipherSuite
  readonly alpn: string
  readonly serverName: string | undefined
  readonly signatureSchemes: ReadonlyArray<number>
  readonly serverCertificateTypes: ReadonlyArray<CertificateKind>
  readonly clientCertificateTypes: ReadonlyArray<CertificateKind>
  readonly transportParameters: Uint8Array
}

/** The server's side. RFC 8446 §A.2 */
export class TlsServer extends TlsSession {
  private readonly config: TlsServerConfig
  private state: State = "awaiting ClientHello"
  /** The group a HelloRetryRequest asked for. */
  private retryGroup: NamedGroup | undefined = undefined
  private cipher!: CipherSuite
  private offer!: Offer
  private group!: NamedGroup
  private handshakeSecrets!: TrafficSecrets
  private clientSecret!: Uint8Array
  private clientCertificateType: CertificateKind = "x509"
  private peer: TlsPeer | undefined = undefined
  private peerScheme: number | undefined = undefined

  constructor(config: TlsServerConfig) {
    super(config)
    this.config = config
  }

  start(): void {}

  protected onMessage(type: number, bytes: Uint8Array): TlsFailure | undefined {
    switch (this.state) {
      case "awaiting ClientHello":
      case "awaiting a second ClientHello":
        return type === HandshakeType.client_hello ? this.onClientHello(bytes) : unexpected(type, this.state)
      case "awaiting Certificate":
        return type === HandshakeType.certificate ? this.onCertificate(bytes) : unexpected(type, this.state)
      case "awaiting CertificateVerify":
        return type === HandshakeType.certificate_verify
          ? this.onCertificateVerify(bytes)
          : unexpected(type, this.state)
      case "awaiting Finished":
        return type === HandshakeType.finished ? this.onFinished(bytes) : unexpected(type, this.state)
      case "connected":
        return unexpected(type, this.state) // RFC 9001 §6: not even KeyUpdate
    }
  }

  private onClientHello(bytes: Uint8Array): TlsFailure | undefined {
    const hello = readClientHello(bytes)
    if (isFailure(hello)) return hello
    const offer = this.readOffer(hello)
    if (isFailure(offer)) return offer
    const share = this.chooseShare(hello.extensions)
    if (isFailure(share)) return share
    // RFC 8446 §4.1.2: the second hello differs only where HelloRetryRequest asked for it
    if (
      this.retryGroup !== undefined &&
      (offer.cipher !== this.cipher || share.bytes === undefined || share.group !== this.retryGroup)
    )
      return failure(Alert.illegal_parameter, "the second ClientHello does not follow HelloRetryRequest")
    this.cipher = offer.cipher
    this.clientRandom = hello.random
    this.transcript.add(bytes)
    this.transcript.begin(offer.cipher.hash)
    if (share.bytes === undefined) return this.askForGroup(share.group)
    return this.answer(offer, share.group, share.bytes)
  }

  private readOffer({ cipherSuites: offered, extensions }: ClientHello): Offer | TlsFailure {
    const { config } = this
    const versions = readU16List(extensions.get(Extension.supported_versions) ?? new Uint8Array(0), 1)
    if (versions?.includes(TLS13) !== true)
      return failure(Alert.protocol_version, "the client does not offer TLS 1.3")
    const codepoint = config.cipherSuites.find((ours) => offered.includes(ours))
    if (codepoint === undefined) return failure(Alert.handshake_failure, "no cipher suite in common")
    const protocols = extensions.get(Extension.alpn)
    const clientAlpn = protocols === undefined ? [] : readAlpn(protocols)
    if (clientAlpn === undefined) return failure(Alert.decode_error, "the client's ALPN is malformed")
    // RFC 9001 §8.1: QUIC has no connection without an application protocol
    const alpn = config.alpn.find((ours) => clientAlpn.includes(ours))
    if (alpn === undefined)
      return failure(
        Alert.no_application_protocol,
        `no application protocol in common: the client offers ${clientAlpn.join(", ") || "none"}`
      )
    const transportParameters = extensions.get(Extension.quic_transport_parameters)
    if (transportParameters === undefined) return failure(Alert.missing_extension, "no transport parameters") // §8.2
    const schemes = readU16List(extensions.get(Extension.signature_algorithms) ?? new Uint8Array(0), 2)
    if (schemes === undefined) return failure(Alert.missing_extension, "no signature algorithms")
    const name = extensions.get(Extension.server_name)
    const serverName = name === undefined ? undefined : readServerName(name)
    if (name !== undefined && serverName === undefined)
      return failure(Alert.decode_error, "the server name is malformed")
    const serverTypes = readKinds(extensions, Extension.server_certificate_type)
    const clientTypes = readKinds(extensions, Extension.client_certificate_type)
    if (isFailure(serverTypes)) return serverTypes
    if (isFailure(clientTypes)) return clientTypes
    return {
      cipher: cipherSuites.get(codepoint)!,
      alpn,
      serverName,
      signatureSchemes: schemes,
      serverCertificateTypes: serverTypes,
      clientCertificateTypes: clientTypes,
      transportParameters: transportParameters.slice()
    }
  }

  /**
   * The best group both know for which the client sent a share; without one, the best group to ask for. Sparing a
   * round trip goes before our order of preference.
   */
  private chooseShare(
    extensions: Extensions
  ): { readonly group: NamedGroup; readonly bytes: Uint8Array | undefined } | TlsFailure {
    const supported = readU16List(extensions.get(Extension.supported_groups) ?? new Uint8Array(0), 2)
    const list = extensions.get(Extension.key_share)
    if (supported === undefined || list === undefined)
      return failure(Alert.missing_extension, "no groups or key shares")
    const r = new ByteReader(list)
    if (r.u16() !== r.remaining || r.failed) return failure(Alert.decode_error, "key_share is malformed")
    const shares = new Map<number, Uint8Array>()
    while (r.remaining > 0) {
      const group = r.u16()
      const bytes = r.take(r.u16())
      if (r.failed || bytes.length === 0) return failure(Alert.decode_error, "key_share is malformed")
      // RFC 8446 §4.2.8: one share a group, and only for groups listed
      if (shares.has(group) || !supported.includes(group))
        return failure(
          Alert.illegal_parameter,
          "a key share appears twice, or for a group that is not listed"
        )
      shares.set(group, bytes)
    }
    const common = this.config.groups.filter((group) => supported.includes(group))
    if (common.length === 0) return failure(Alert.handshake_failure, "no key-exchange group in common")
    const group = common.find((each) => shares.has(each)) ?? common[0]
    return { group, bytes: shares.get(group) }
  }

  private askForGroup(group: NamedGroup): undefined {
    this.retryGroup = group
    this.transcript.foldFirstHello()
    this.send(
      Level.Initial,
      writeServerHello(retryRandom, this.cipher.codepoint, [
        [Extension.supported_versions, u16(TLS13)],
        [Extension.key_share, u16(group)]
      ])
    )
    this.state = "awaiting a second ClientHello"
    return undefined
  }

  private answer(offer: Offer, group: NamedGroup, clientShare: Uint8Array): TlsFailure | undefined {
    const { config, suite } = this
    this.offer = offer
    this.group = group
    const identity = config.selectIdentity({
      serverName: offer.serverName,
      signatureSchemes: offer.signatureSchemes,
      certificateTypes: offer.serverCertificateTypes
    })
    if (identity === undefined)
      return failure(
        Alert.unrecognized_name,
        `no identity for ${offer.serverName ?? "a client that names no server"}`
      )
    if (!offer.serverCertificateTypes.includes(identity.kind))
      return failure(Alert.unsupported_certificate, `the client takes no ${identity.kind} identity`)
    const scheme = chooseScheme(identity, offer.signatureSchemes)
    if (scheme === undefined) return failure(Alert.handshake_failure, "no signature scheme in common")
    const response = suite.respond(group, clientShare, config.random)
    if (response === undefined) return failure(Alert.illegal_parameter, "the client's key share is invalid")
    this.emit({ _tag: "transportParameters", bytes: offer.transportParameters })

    const share = new ByteWriter(new Uint8Array(4 + response.publicKey.length))
    share.u16(group)
    share.u16(response.publicKey.length)
    share.copy(response.publicKey)
    this.send(
      Level.Initial,
      writeServerHello(config.random(RANDOM_BYTES), offer.cipher.codepoint, [
        [Extension.supported_versions, u16(TLS13)],
        [Extension.key_share, share.bytes]
      ])
    )
    this.schedule = new KeySchedule(suite, offer.cipher)
    this.schedule.agree(response.secret)
    this.handshakeSecrets = this.installHandshakeKeys(offer.cipher, false)
    const problem = this.sendEncryptedExtensions(identity)
    if (problem !== undefined) return problem
    this.sendCredentials(identity, scheme)
    this.readFrom(Level.Handshake)
    return undefined
  }

  private sendEncryptedExtensions(identity: TlsIdentity): TlsFailure | undefined {
    const { config, offer } = this
    const extensions: Array<readonly [number, Uint8Array]> = [
      [Extension.alpn, writeAlpn([offer.alpn])],
      [Extension.quic_transport_parameters, config.transportParameters(offer.transportParameters)]
    ]
    if (identity.kind === "rawPublicKey")
      extensions.push([Extension.server_certificate_type, Uint8Array.of(certificateTypeCode(identity.kind))])
    if (config.requestClientCertificate !== "none") {
      const kind = config.peerCertificateTypes.find((type) => offer.clientCertificateTypes.includes(type))
      if (kind === undefined && config.requestClientCertificate === "require")
        return failure(Alert.unsupported_certificate, "the client authenticates in no form we take")
      this.clientCertificateType = kind ?? "x509"
      if (kind === "rawPublicKey")
        extensions.push([Extension.client_certificate_type, Uint8Array.of(certificateTypeCode(kind))])
    }
    this.send(Level.Handshake, writeEncryptedExtensions(extensions))
    return undefined
  }

  private sendCredentials(identity: TlsIdentity, scheme: SignatureScheme): void {
    const { config } = this
    const asks = config.requestClientCertificate !== "none"
    if (asks)
      this.send(
        Level.Handshake,
        writeCertificateRequest([
          [Extension.signature_algorithms, writeU16List(this.suite.signatureSchemes, 2)]
        ])
      )
    this.send(Level.Handshake, certificateMessage(identity))
    this.send(Level.Handshake, signedMessage(identity, scheme, "server", this.transcript.digest()))
    const verifyData = this.schedule!.finished(this.handshakeSecrets.server, this.transcript.digest())
    this.send(Level.Handshake, message(HandshakeType.finished, verifyData))
    const secrets = this.deriveApplicationSecrets()
    this.clientSecret = secrets.client
    this.emitKeys(Level.OneRtt, "write", this.cipher, secrets.server)
    this.state = asks ? "awaiting Certificate" : "awaiting Finished"
  }

  private onCertificate(bytes: Uint8Array): TlsFailure | undefined {
    const chain = readCertificate(bytes)
    if (isFailure(chain)) return chain
    this.transcript.add(bytes)
    if (chain.length === 0) {
      if (this.config.requestClientCertificate === "require")
        return failure(Alert.certificate_required, "the client shows no certificate")
      this.state = "awaiting Finished"
      return undefined
    }
    const peer = peerOf(chain, this.clientCertificateType)
    if (isFailure(peer)) return peer
    this.peer = peer
    this.state = "awaiting CertificateVerify"
    return undefined
  }

  private onCertificateVerify(bytes: Uint8Array): TlsFailure | undefined {
    const verified = verifySigned(this.suite, bytes, this.peer!, "client", this.transcript.digest())
    if (isFailure(verified)) return verified
    this.peerScheme = verified.scheme
    this.transcript.add(bytes)
    this.state = "awaiting Finished"
    this.pauseForVerdict(this.peer!, undefined)
    return undefined
  }

  private onFinished(bytes: Uint8Array): TlsFailure | undefined {
    const problem = this.acceptFinished(bytes, this.handshakeSecrets.client)
    if (problem !== undefined) return problem
    // RFC 9001 §5.7: 1-RTT packets are not read before the handshake is complete
    this.emitKeys(Level.OneRtt, "read", this.cipher, this.clientSecret)
    this.readFrom(Level.OneRtt)
    this.state = "connected"
    this.complete = true
    this.emit({
      _tag: "complete",
      facts: {
        cipherSuite: this.cipher.codepoint,
        group: this.group,
        alpn: this.offer.alpn,
        serverName: this.offer.serverName,
        signatureScheme: this.peerScheme,
        peer: this.peer
      }
    })
    return undefined
  }
}

/** RFC 7250 §4.1: without the extension, X.509. */
const readKinds = (extensions: Extensions, type: number): ReadonlyArray<CertificateKind> | TlsFailure => {
  const body = extensions.get(type)
  if (body === undefined) return ["x509"]
  return readCertificateTypes(body) ?? failure(Alert.decode_error, "certificate types are malformed")
}

const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff)
