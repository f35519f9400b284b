import { sameBytes } from "../internal/bytes.ts"
import type { Exporter } from "../handshake/Exporter.ts"
import { otherRole } from "../wire/Role.ts"
import type { PostHandshake } from "../handshake/PostHandshake.ts"
import { TlsClient } from "../handshake/TlsClient.ts"
import { TlsServer } from "../handshake/TlsServer.ts"
import type { SessionTicket } from "../capability/TicketStore.ts"
import type {
  ClientResumption,
  ServerResumption,
  TlsConfig,
  TlsEvent,
  TlsFacts,
  TlsSession
} from "../handshake/TlsSession.ts"
import type { CryptoStream } from "../stream/CryptoStream.ts"
import { Level, Version } from "../wire/PacketType.ts"
import {
  decodeTransportParameters,
  encodeTransportParameters,
  readChosenVersion,
  type TransportParameters
} from "../wire/TransportParameters.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type { Keyring } from "./Keyring.ts"
import type { VersionChoice } from "./VersionChoice.ts"

/** The connection IDs authenticated by the transport parameters. RFC 9000 §7.3 */
export interface HandshakeIds {
  /** server: the DCID of the client's very first Initial; client: the one it chose. */
  originalDestination: Uint8Array
  /** The SCID of the peer's first Initial (after Retry, of the server's Initial). */
  peerInitialSource: Uint8Array
  /** The SCID of the Retry packet, when there was one. */
  retrySource: Uint8Array | undefined
}

/**
 * Moves bytes between the TLS state machine and the CRYPTO streams, installs the keys TLS derives, and checks the
 * transport parameters against the packets. RFC 9001 §4, RFC 9000 §7 #1
 */
export class HandshakeDriver {
  readonly ids: HandshakeIds
  /** The peer's transport parameters; a client trusts them only once `complete`. */
  peerParameters: TransportParameters | undefined = undefined
  /** What was negotiated; before `complete`, with 0-RTT, what applies if 0-RTT is accepted. */
  facts: TlsFacts | undefined = undefined
  complete = false
  /** RFC 9001 §4.1.2 */
  confirmed = false
  /** Everything sent in 0-RTT has to be resent. */
  earlyDataRejected = false
  /** Released when the handshake completes. */
  private tls: TlsSession | undefined
  private postHandshake: PostHandshake | undefined = undefined
  /** Those of the peer's parameters that were decoded last: they are asked for several times. */
  private decoded:
    | { readonly bytes: Uint8Array; readonly parameters: TransportParameters | TransportError }
    | undefined = undefined
  private readonly crypto: CryptoStream
  private readonly keys: Keyring
  private readonly versions: VersionChoice
  private readonly events: Array<ConnectionEvent>
  private readonly config: ConnectionConfig

  constructor(
    config: ConnectionConfig,
    crypto: CryptoStream,
    keys: Keyring,
    versions: VersionChoice,
    events: Array<ConnectionEvent>,
    ids: HandshakeIds,
    localParameters: TransportParameters
  ) {
    this.config = config
    this.crypto = crypto
    this.keys = keys
    this.versions = versions
    this.events = events
    this.ids = ids
    const { role, suite, random } = config
    const tls = config.tls!
    const common = {
      suite,
      random,
      cipherSuites: tls.cipherSuites,
      groups: tls.groups,
      alpn: tls.alpn,
      transportParameters: (peer: Uint8Array | undefined) => {
        this.chooseVersion(peer)
        const versionInformation = versions.information
        return encodeTransportParameters({ ...localParameters, versionInformation }, role, random)
      },
      peerCertificateTypes: tls.peerCertificateTypes,
      keyLog: tls.keyLog
    } satisfies Partial<TlsConfig>
    this.tls =
      role === "client"
        ? new TlsClient({
            ...common,
            serverName: tls.serverName,
            keyShareGroups: tls.keyShareGroups,
            identity: tls.selectIdentity(undefined),
            ...(config.resume !== undefined && { resumption: this.clientResumption(config.resume) })
          })
        : new TlsServer({
            ...common,
            selectIdentity: (hello) => tls.selectIdentity(hello.serverName),
            requestClientCertificate: tls.requestClientCertificate,
            ...(config.tickets !== undefined && { resumption: this.serverResumption(config.tickets) })
          })
  }

  // RFC 9369 §5: a ticket only resumes sessions of the version it was issued in
  private clientResumption(given: ClientResumption): ClientResumption {
    const { ticket } = given
    const fits = ticket !== undefined && sessionVersion(ticket) === this.versions.original
    return { ...given, ticket: fits ? ticket : undefined }
  }

  private serverResumption(given: ServerResumption): ServerResumption {
    return { ...given, mayResume: (ticket) => sessionVersion(ticket) === this.versions.original }
  }

  /** Undefined until `complete`. */
  get exporter(): Exporter | undefined {
    return this.postHandshake?.exporter
  }

  start(): TransportError | undefined {
    this.tls?.start()
    return this.pump()
  }

  /** Feeds TLS the contiguous CRYPTO bytes of `level`. */
  advance(level: Level): TransportError | undefined {
    for (let bytes = this.crypto.read(level); bytes !== undefined; bytes = this.crypto.read(level)) {
      const error =
        this.postHandshake === undefined
          ? this.handshake(level, bytes)
          : this.postHandshakeCrypto(level, bytes)
      if (error !== undefined) return error
    }
    return undefined
  }

  /** The peer has proved its identity, and what pauses the handshake is the verifier. */
  get awaitsVerdict(): boolean {
    return this.tls?.awaitsVerdict ?? false
  }

  handleVerdict(verdict: Parameters<TlsSession["handleVerdict"]>[0]): TransportError | undefined {
    this.tls?.handleVerdict(verdict)
    return this.pump()
  }

  private handshake(level: Level, bytes: Uint8Array): TransportError | undefined {
    this.tls?.handleCrypto(level, bytes)
    return this.pump()
  }

  private postHandshakeCrypto(level: Level, bytes: Uint8Array): TransportError | undefined {
    const failure = this.postHandshake!.handleCrypto(level, bytes, (ticket) =>
      this.events.push({ _tag: "ticket", ticket })
    )
    return failure && new TransportError(failure.code, failure.reason)
  }

  private pump(): TransportError | undefined {
    const { tls } = this
    if (tls === undefined) return undefined
    for (let event = tls.pollEvent(); event !== undefined; event = tls.pollEvent()) {
      const error = this.onEvent(event)
      if (error !== undefined) return error
    }
    for (let out = tls.pollOutput(); out !== undefined; out = tls.pollOutput())
      this.crypto.write(out.level, out.bytes)
    this.postHandshake = tls.postHandshake
    if (this.postHandshake !== undefined) this.tls = undefined
    return undefined
  }

  private onEvent(event: TlsEvent): TransportError | undefined {
    switch (event._tag) {
      case "keys":
        this.keys.install(event.level, event.direction, event.cipherSuite, event.secret)
        if (event.direction === "write") return undefined
        if (event.level === Level.Handshake) return this.crypto.endReceiving(Level.Initial)
        return event.level === Level.OneRtt ? this.crypto.endReceiving(Level.Handshake) : undefined
      case "transportParameters":
        return this.onParameters(event.bytes)
      case "verifyPeer":
        this.events.push({ _tag: "verifyPeer", request: event })
        return undefined
      case "keyLog":
        this.events.push({ _tag: "keyLog", line: event.line })
        return undefined
      case "ticket":
        this.events.push({ _tag: "ticket", ticket: event.ticket })
        return undefined
      case "early":
        this.facts = event.facts
        this.events.push({ _tag: "early" })
        return undefined
      case "earlyData":
        this.earlyDataRejected = !event.accepted
        if (this.facts !== undefined)
          this.facts = { ...this.facts, earlyData: event.accepted ? "accepted" : "rejected" }
        return undefined
      case "complete":
        // data written for one application protocol must not be read as another. RFC 9001 §4.6.2
        if (this.facts?.earlyData === "rejected") {
          if (this.facts.alpn !== event.facts.alpn)
            return new TransportError(
              TransportErrorCode.CRYPTO_ERROR + NO_APPLICATION_PROTOCOL,
              `0-RTT data was for ${this.facts.alpn}, and the server chose ${event.facts.alpn}`
            )
          this.facts = { ...event.facts, earlyData: "rejected" }
        } else this.facts = event.facts
        this.complete = true
        this.decoded = undefined
        this.events.push({ _tag: "established" })
        return undefined
      case "failed":
        // RFC 9001 §4.8: every alert is fatal
        return new TransportError(event.code, event.reason)
    }
  }

  private onParameters(bytes: Uint8Array): TransportError | undefined {
    const parameters = this.decodePeer(bytes)
    if (parameters instanceof TransportError) return parameters
    this.chooseVersion(bytes)
    const error = this.checkIds(parameters) ?? this.versions.check(parameters.versionInformation)
    if (error === undefined) this.peerParameters = parameters
    return error
  }

  private decodePeer(bytes: Uint8Array): TransportParameters | TransportError {
    if (this.decoded?.bytes === bytes) return this.decoded.parameters
    const parameters = decodeTransportParameters(bytes, otherRole(this.config.role))
    this.decoded = { bytes, parameters }
    return parameters
  }

  // RFC 9369 §4.1: before any CRYPTO frame is sent, and before there are keys of other levels
  private chooseVersion(clientParameters: Uint8Array | undefined): void {
    if (this.config.role === "client" || clientParameters === undefined) return
    const parameters = this.decodePeer(clientParameters)
    if (parameters instanceof TransportError) return
    this.versions.choose(parameters.versionInformation)
    this.keys.switchVersion()
  }

  // RFC 9001 §7 #S1, RFC 9000 §7.3 #1 #2 #3 #4: the IDs in the packets, which can be forged, must match those TLS
  // authenticates
  private checkIds(parameters: TransportParameters): TransportError | undefined {
    const { originalDestination, peerInitialSource, retrySource } = this.ids
    if (!same(parameters.initialSourceConnectionId, peerInitialSource))
      return mismatch("initial_source_connection_id")
    if (this.config.role === "server") return undefined
    if (!same(parameters.originalDestinationConnectionId, originalDestination))
      return mismatch("original_destination_connection_id")
    if (!same(parameters.retrySourceConnectionId, retrySource)) return mismatch("retry_source_connection_id")
    return undefined
  }
}

/** The version of a ticket's session, as its server declared it. */
export const sessionVersion = ({ transportParameters }: SessionTicket): number =>
  readChosenVersion(transportParameters) ?? Version.v1

/** TLS alert. RFC 7301 §3.2 */
const NO_APPLICATION_PROTOCOL = 120

const mismatch = (parameter: string): TransportError =>
  new TransportError(
    TransportErrorCode.TRANSPORT_PARAMETER_ERROR,
    `${parameter} is missing, unexpected or not the one the packets carried`
  )

const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : sameBytes(a, b)
