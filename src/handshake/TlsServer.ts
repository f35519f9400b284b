import type { PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { NamedGroup, SignatureScheme } from "../capability/CryptoSuite.ts"
import type { CipherSuite } from "../protect/CipherSuite.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { Level } from "../wire/PacketType.ts"
import { PostHandshake } from "./PostHandshake.ts"
import { Alert, failure, isFailure, type TlsFailure } from "./alerts.ts"
import { certificateMessage, chooseScheme, peerOf, signedMessage, verifySigned } from "./certificateVerify.ts"
import { checkSecondHello, chooseGroup, type ClientOffer, readClientOffer } from "./clientOffer.ts"
import { certificateTypeCode, Extension, TLS13, writeAlpn, writeU16, writeU16List } from "./extensions.ts"
import { KeySchedule, type TrafficSecrets } from "./KeySchedule.ts"
import {
  type ClientHello,
  HandshakeType,
  message,
  RANDOM_BYTES,
  readCertificate,
  readClientHello,
  retryRandom,
  unexpected,
  writeCertificateRequest,
  writeEncryptedExtensions,
  writeServerHello
} from "./messages.ts"
import { type AcceptedPsk, acceptPsk, acceptsEarlyData, issueTicket } from "./serverTickets.ts"
import {
  type EarlyDataOutcome,
  type TlsFacts,
  type TlsIdentity,
  type TlsServerConfig,
  TlsSession
} from "./TlsSession.ts"

type State =
  | "awaiting ClientHello"
  | "awaiting a second ClientHello"
  | "awaiting Certificate"
  | "awaiting CertificateVerify"
  | "awaiting Finished"

/** All decisions about the response to a ClientHello, made before any of it is sent. */
interface Answer {
  readonly offer: ClientOffer
  readonly cipher: CipherSuite
  readonly group: NamedGroup
  readonly clientShare: Uint8Array
  readonly psk: AcceptedPsk | undefined
}

/** More than one, for clients that open several connections in parallel or race them. RFC 8446 §4.6.1 */
const TICKETS_PER_FULL_HANDSHAKE = 2

/** The server state machine. RFC 8446 §A.2 */
export class TlsServer extends TlsSession {
  private readonly config: TlsServerConfig
  private state: State = "awaiting ClientHello"
  /** The ClientHello answered by a HelloRetryRequest, and the selected parameters. */
  private retry:
    | { readonly hello: ClientHello; readonly cipher: CipherSuite; readonly group: NamedGroup }
    | undefined = undefined
  private answering!: Answer
  private handshakeSecrets!: TrafficSecrets
  private clientSecret!: Uint8Array
  private localParameters!: Uint8Array
  private earlyData: EarlyDataOutcome = "none"
  private peer: PeerCertificate | undefined = undefined
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
    }
  }

  private onClientHello(bytes: Uint8Array): TlsFailure | undefined {
    const { config, retry, transcript } = this
    const hello = readClientHello(bytes)
    if (isFailure(hello)) return hello
    const offer = readClientOffer(hello, config)
    if (isFailure(offer)) return offer
    const psk = acceptPsk(config, hello, bytes, offer, transcript, retry?.cipher)
    if (isFailure(psk)) return psk
    const chosen = chooseGroup(hello.extensions, config.groups)
    if (isFailure(chosen)) return chosen
    const problem = retry === undefined ? undefined : checkSecondHello(retry.hello, hello, retry.group)
    if (problem !== undefined) return problem
    const cipher = retry?.cipher ?? psk?.cipher ?? offer.cipher
    const group = retry?.group ?? chosen.group
    if (offer.wantsEarlyData) this.earlyData = "rejected"
    this.clientRandom = hello.random
    transcript.add(bytes)
    if (chosen.share === undefined) return this.requestGroup(hello, offer, cipher, group)
    this.answering = { offer, cipher, group, clientShare: chosen.share, psk }
    if (psk?.ticket.peer === undefined) return this.answer()
    // a client that authenticated in the original session is verified again before any response or early data
    this.peer = psk.ticket.peer
    this.pauseForVerdict(this.peer, undefined)
    return undefined
  }

  protected override onAccepted(): TlsFailure | undefined {
    return this.state === "awaiting Finished" ? undefined : this.answer()
  }

  /** A client whose ticket is refused may present other credentials in a full handshake. */
  protected override onRefused(problem: TlsFailure): TlsFailure | undefined {
    if (this.state === "awaiting Finished") return problem
    const { offer } = this.answering
    this.peer = undefined
    this.answering = { ...this.answering, psk: undefined, cipher: this.retry?.cipher ?? offer.cipher }
    return this.answer()
  }

  // RFC 8446 §4.1.4
  private requestGroup(
    hello: ClientHello,
    offer: ClientOffer,
    cipher: CipherSuite,
    group: NamedGroup
  ): undefined {
    this.retry = { hello, cipher, group }
    this.transcript.foldFirstHello(cipher.hash)
    // RFC 9369 §4.1: version negotiation needs them before the first CRYPTO frame
    this.emit({ _tag: "transportParameters", bytes: offer.transportParameters })
    this.send(
      Level.Initial,
      writeServerHello(retryRandom, cipher.codepoint, [
        [Extension.supported_versions, writeU16(TLS13)],
        [Extension.key_share, writeU16(group)]
      ])
    )
    this.state = "awaiting a second ClientHello"
    return undefined
  }

  private answer(): TlsFailure | undefined {
    const { config, suite } = this
    const { offer, cipher, group, clientShare, psk } = this.answering
    const credentials = psk === undefined ? this.chooseCredentials(offer) : undefined
    if (credentials !== undefined && isFailure(credentials)) return credentials
    const response = suite.respond(group, clientShare, config.random)
    if (response === undefined) return failure(Alert.illegal_parameter, "the client's key share is invalid")
    const leftover = this.readFrom(Level.Handshake)
    if (leftover !== undefined) return leftover
    this.transcript.begin(cipher.hash)
    if (this.earlyData !== "none") this.decideEarlyData(psk, offer)
    if (this.retry === undefined) this.emit({ _tag: "transportParameters", bytes: offer.transportParameters })

    const share = new ByteWriter(new Uint8Array(4 + response.publicKey.length))
    share.u16(group)
    share.u16(response.publicKey.length)
    share.copy(response.publicKey)
    const extensions: Array<readonly [number, Uint8Array]> = [
      [Extension.supported_versions, writeU16(TLS13)],
      [Extension.key_share, share.bytes]
    ]
    if (psk !== undefined) extensions.push([Extension.pre_shared_key, writeU16(psk.index)])
    this.send(Level.Initial, writeServerHello(config.random(RANDOM_BYTES), cipher.codepoint, extensions))
    this.schedule = psk?.schedule ?? new KeySchedule(suite, cipher)
    this.schedule.agree(response.secret)
    this.handshakeSecrets = this.installHandshakeKeys(cipher, "server")
    this.sendEncryptedExtensions(offer, credentials?.identity ?? this.identityFor(offer))
    if (credentials !== undefined) this.sendCredentials(offer, credentials.identity, credentials.scheme)
    this.sendFinished(cipher)
    const asked = credentials !== undefined && offer.clientCertificateType !== undefined
    this.state = asked ? "awaiting Certificate" : "awaiting Finished"
    return undefined
  }

  private identityFor(offer: ClientOffer): TlsIdentity | undefined {
    const { serverName, signatureSchemes, serverCertificateTypes } = offer
    return this.config.selectIdentity({
      serverName,
      signatureSchemes,
      certificateTypes: serverCertificateTypes
    })
  }

  private chooseCredentials(
    offer: ClientOffer
  ): { readonly identity: TlsIdentity; readonly scheme: SignatureScheme } | TlsFailure {
    const { serverName, signatureSchemes, serverCertificateTypes } = offer
    const identity = this.identityFor(offer)
    if (identity === undefined)
      return failure(
        Alert.unrecognized_name,
        `no identity for ${serverName ?? "a client that sent no server name"}`
      )
    if (!serverCertificateTypes.includes(identity.kind))
      return failure(
        Alert.unsupported_certificate,
        `the client does not accept ${identity.kind} certificates`
      )
    const scheme = chooseScheme(identity, signatureSchemes)
    return scheme === undefined
      ? failure(Alert.handshake_failure, "no signature scheme in common")
      : { identity, scheme }
  }

  private decideEarlyData(psk: AcceptedPsk | undefined, offer: ClientOffer): void {
    // RFC 9001 §4.6.2 #1: a HelloRetryRequest rejects 0-RTT
    const possible = psk !== undefined && this.retry === undefined
    const accepted = possible && acceptsEarlyData(this.config.resumption!, psk, offer)
    this.emit({ _tag: "earlyData", accepted })
    if (!accepted) return
    this.earlyData = "accepted"
    this.installEarlyKeys(psk.schedule, psk.cipher, "server", this.transcript.digest())
    this.emit({ _tag: "early", facts: this.facts() })
  }

  private sendEncryptedExtensions(offer: ClientOffer, identity: TlsIdentity | undefined): void {
    this.localParameters = this.config.transportParameters(offer.transportParameters)
    const extensions: Array<readonly [number, Uint8Array]> = [
      [Extension.alpn, writeAlpn([offer.alpn])],
      [Extension.quic_transport_parameters, this.localParameters]
    ]
    // RFC 7250 §4.2: X.509 is implied. A resumed session presents no key, yet clients that accept only raw public keys
    // may require the extension (rustls does).
    if (identity?.kind === "rawPublicKey" && offer.serverCertificateTypes.includes(identity.kind))
      extensions.push([Extension.server_certificate_type, Uint8Array.of(certificateTypeCode(identity.kind))])
    if (offer.clientCertificateType === "rawPublicKey")
      extensions.push([Extension.client_certificate_type, Uint8Array.of(certificateTypeCode("rawPublicKey"))])
    if (this.earlyData === "accepted") extensions.push([Extension.early_data, new Uint8Array(0)])
    this.send(Level.Handshake, writeEncryptedExtensions(extensions))
  }

  private sendCredentials(offer: ClientOffer, identity: TlsIdentity, scheme: SignatureScheme): void {
    if (offer.clientCertificateType !== undefined)
      this.send(
        Level.Handshake,
        writeCertificateRequest([
          [Extension.signature_algorithms, writeU16List(this.suite.signatureSchemes, 2)]
        ])
      )
    this.send(Level.Handshake, certificateMessage(identity))
    this.send(Level.Handshake, signedMessage(identity, scheme, "server", this.transcript.digest()))
  }

  private sendFinished(cipher: CipherSuite): void {
    const verifyData = this.schedule!.finished(this.handshakeSecrets.server, this.transcript.digest())
    this.send(Level.Handshake, message(HandshakeType.finished, verifyData))
    const secrets = this.deriveApplicationSecrets()
    this.clientSecret = secrets.client
    this.emitKeys(Level.OneRtt, "write", cipher, secrets.server)
  }

  private onCertificate(bytes: Uint8Array): TlsFailure | undefined {
    const chain = readCertificate(bytes)
    if (isFailure(chain)) return chain
    this.transcript.add(bytes)
    if (chain.length === 0) {
      if (this.config.requestClientCertificate === "require")
        return failure(Alert.certificate_required, "the client sent no certificate")
      this.state = "awaiting Finished"
      return undefined
    }
    const peer = peerOf(chain, this.answering.offer.clientCertificateType!)
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
    const leftover = this.readFrom(Level.OneRtt)
    if (leftover !== undefined) return leftover
    const { cipher } = this.answering
    // RFC 9001 §5.7 #1 #2: 1-RTT packets are not processed before the handshake is complete
    this.emitKeys(Level.OneRtt, "read", cipher, this.clientSecret)
    this.postHandshake = new PostHandshake("server", this.exporter(cipher), undefined)
    this.emit({ _tag: "complete", facts: this.facts() })
    this.issueTickets()
    return undefined
  }

  private facts(): TlsFacts {
    const { offer, cipher, group, psk } = this.answering
    return {
      cipherSuite: cipher.codepoint,
      group,
      alpn: offer.alpn,
      serverName: offer.serverName,
      signatureScheme: this.peerScheme,
      peer: this.peer,
      resumed: psk !== undefined,
      earlyData: this.earlyData
    }
  }

  // RFC 9001 §4.4 #2 #3, §4.9 #2: tickets are the only post-handshake messages, sent in 1-RTT
  private issueTickets(): void {
    const { resumption, random } = this.config
    const { offer, cipher, psk } = this.answering
    if (resumption === undefined || !offer.resumable) return
    this.schedule!.resume(this.transcript.digest())
    // one replaces the one that was used: the client has as many as before
    const count = psk === undefined ? TICKETS_PER_FULL_HANDSHAKE : 1
    for (let i = 0; i < count; i++) {
      const nonce = Uint8Array.of(i)
      const ticket = issueTicket(resumption, random, nonce, {
        secret: this.schedule!.ticketSecret(nonce),
        cipherSuite: cipher.codepoint,
        alpn: offer.alpn,
        serverName: offer.serverName,
        transportParameters: this.localParameters,
        peer: this.peer
      })
      if (ticket !== undefined) this.sendTicket(ticket)
    }
  }
}
