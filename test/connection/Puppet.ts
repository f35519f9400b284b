/**
 * A misbehaving peer with real keys: it completes a handshake with its own TLS, records what it receives, and sends
 * whatever a test asks for. It shares only wire formats and cryptography with the implementation.
 */
import { writeCrypto } from "../wire/writeCrypto.ts"
import type { Role } from "../../src/wire/Role.ts"
import type { CertificateType } from "../../src/capability/CertificateVerifier.ts"
import type { PacketKeys } from "../../src/protect/PacketKeys.ts"
import { PacketKeys as Keys } from "../../src/protect/PacketKeys.ts"
import type { CryptoSuiteShape, NamedGroup, RandomBytes } from "../../src/capability/CryptoSuite.ts"
import { TlsClient } from "../../src/handshake/TlsClient.ts"
import { TlsServer } from "../../src/handshake/TlsServer.ts"
import type { TlsIdentity, TlsSession } from "../../src/handshake/TlsSession.ts"
import { cipherSuites, TLS_AES_128_GCM_SHA256 } from "../../src/protect/CipherSuite.ts"
import { initialKeys } from "../../src/protect/initialKeys.ts"
import { retryIntegrityTag } from "../../src/protect/retryIntegrity.ts"
import { CryptoStream } from "../../src/stream/CryptoStream.ts"
import { AckFrame } from "../../src/wire/AckFrame.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameDecoder } from "../../src/wire/FrameDecoder.ts"
import { FrameExtension } from "../../src/wire/FrameType.ts"
import { writeAck } from "../../src/wire/frameWriters.ts"
import {
  PacketHeader,
  parsePacketHeader,
  writeLongHeader,
  writeShortHeader
} from "../../src/wire/PacketHeader.ts"
import { decodePacketNumber } from "../../src/wire/packetNumber.ts"
import { Level, PacketType, spaceOfLevel, Version } from "../../src/wire/PacketType.ts"
import {
  defaultTransportParameters,
  encodeTransportParameters,
  type TransportParameters
} from "../../src/wire/TransportParameters.ts"
import { writeRetry } from "../../src/wire/versionPackets.ts"
import { FrameLog } from "./FrameLog.ts"
import { PacketAudit } from "./PacketAudit.ts"

const TAG = 16
const none = new Uint8Array(0)

export interface PuppetOptions {
  readonly role: Role
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  readonly identity: TlsIdentity | undefined
  readonly alpn?: ReadonlyArray<string>
  readonly groups?: ReadonlyArray<NamedGroup>
  readonly serverName?: string
  readonly certificateTypes?: ReadonlyArray<CertificateType>
  readonly requestClientCertificate?: "none" | "request" | "require"
  /** Changes the transport parameters it declares. */
  readonly parameters?: (honest: TransportParameters) => TransportParameters
  /** Changes their encoding. */
  readonly rawParameters?: (honest: Uint8Array) => Uint8Array
  /** Changes or drops a handshake message after it has entered the transcript. */
  readonly tamper?: (message: Uint8Array, level: Level) => Uint8Array | undefined
  /** Server: answers the first Initial with a Retry. */
  readonly retry?: boolean
}

export interface PacketOptions {
  readonly packetNumber?: number
  readonly packetNumberLength?: number
  /** Changes the first byte before header protection. */
  readonly firstByte?: (honest: number) => number
  readonly destination?: Uint8Array
  /** The path it is numbered on, which is part of its nonce; default 0. */
  readonly pathId?: number
  readonly source?: Uint8Array
  readonly keys?: PacketKeys
  /** Version in a long header. */
  readonly version?: Version
  readonly phase?: 0 | 1
  readonly token?: Uint8Array
  /** Pads the datagram to this size with PADDING frames. */
  readonly size?: number
}

export type Payload = Uint8Array | ((w: ByteWriter) => void)

export class Puppet {
  readonly options: PuppetOptions
  readonly tls: TlsSession
  readonly seen = new FrameLog()
  readonly read: Array<PacketKeys | undefined> = [undefined, undefined, undefined, undefined]
  readonly write: Array<PacketKeys | undefined> = [undefined, undefined, undefined, undefined]
  /** Datagrams to deliver to the victim. */
  outbox: Array<Uint8Array> = []
  complete = false
  failedWith: string | undefined = undefined
  source: Uint8Array
  /** The victim's connection ID to send to. */
  destination: Uint8Array
  originalDestination: Uint8Array = none
  retrySource: Uint8Array | undefined = undefined
  phase: 0 | 1 = 0
  readonly nextPacketNumber: [number, number, number] = [0, 0, 0]
  readonly largestReceived: [number, number, number] = [-1, -1, -1]
  private readonly received: [Array<number>, Array<number>, Array<number>] = [[], [], []]
  private readonly crypto = new CryptoStream()
  private readonly cryptoSent = [0, 0, 0, 0]
  private readonly cryptoOut: Array<Array<Uint8Array>> = [[], [], [], []]
  private readonly header = new PacketHeader()
  private readonly decoder = new FrameDecoder("either", FrameExtension.all)
  private undecryptable: Array<Uint8Array> = []
  /** Client: sent in each Initial. */
  token: Uint8Array | undefined = undefined
  /** Client: the messages of its first flight. */
  private hello: ReadonlyArray<Uint8Array> = []
  private heard = false
  readonly audit: PacketAudit

  constructor(options: PuppetOptions) {
    this.options = options
    this.audit = new PacketAudit(options.role === "client")
    const { role, suite, random, identity } = options
    this.source = random(8)
    this.destination = random(8)
    const common = {
      suite,
      random,
      cipherSuites: [TLS_AES_128_GCM_SHA256],
      groups: options.groups ?? suite.groups,
      alpn: options.alpn ?? ["test"],
      transportParameters: () => this.parameters(),
      peerCertificateTypes: options.certificateTypes ?? (["x509", "rawPublicKey"] as const),
      keyLog: false
    }
    this.tls =
      role === "client"
        ? new TlsClient({ ...common, serverName: options.serverName ?? "localhost", identity })
        : new TlsServer({
            ...common,
            selectIdentity: () => identity,
            requestClientCertificate: options.requestClientCertificate ?? "none"
          })
  }

  /** Client: sends the first Initial. */
  start(): void {
    this.originalDestination = this.destination
    this.installInitial(this.destination)
    this.tls.start()
    this.pump()
  }

  private parameters(): Uint8Array {
    const { role, random, parameters, rawParameters } = this.options
    const honest: TransportParameters = {
      ...defaultTransportParameters,
      initialMaxData: 1_000_000,
      initialMaxStreamDataBidiLocal: 100_000,
      initialMaxStreamDataBidiRemote: 100_000,
      initialMaxStreamDataUni: 100_000,
      initialMaxStreamsBidi: 10,
      initialMaxStreamsUni: 10,
      maxDatagramFrameSize: 65_535,
      activeConnectionIdLimit: 8,
      initialSourceConnectionId: this.source,
      ...(role === "server" && {
        originalDestinationConnectionId: this.originalDestination,
        statelessResetToken: new Uint8Array(16).fill(7),
        ...(this.retrySource !== undefined && { retrySourceConnectionId: this.retrySource })
      })
    }
    const encoded = encodeTransportParameters(parameters?.(honest) ?? honest, role, random)
    return rawParameters?.(encoded) ?? encoded
  }

  private installInitial(clientDestination: Uint8Array): void {
    const { suite, role } = this.options
    const { client, server } = initialKeys(suite, Version.v1, clientDestination)
    this.read[Level.Initial] = role === "client" ? server : client
    this.write[Level.Initial] = role === "client" ? client : server
  }

  // — receiving —————————————————————————————————————————————————————————————————————————————————————————————————

  /** Processes a datagram from the victim; answers, including ACKs, go to the outbox. */
  receive(datagram: Uint8Array): void {
    const bytes = datagram.slice()
    const { header } = this
    let offset = 0
    const destinations: Array<readonly [number, number]> = []
    while (parsePacketHeader(bytes, offset, bytes.length, this.source.length, header)) {
      const { end } = header
      destinations.push([header.dcidStart, header.dcidEnd])
      if (!this.onPacket(bytes, offset)) this.undecryptable.push(bytes.slice(offset, end))
      offset = end
    }
    this.audit.datagram(datagram, destinations)
    this.pump()
    const waiting = this.undecryptable
    this.undecryptable = []
    for (const packet of waiting) if (!this.retryPacket(packet)) this.undecryptable.push(packet)
    this.pump()
  }

  private retryPacket(packet: Uint8Array): boolean {
    const copy = packet.slice()
    return parsePacketHeader(copy, 0, copy.length, this.source.length, this.header) && this.onPacket(copy, 0)
  }

  private onPacket(bytes: Uint8Array, start: number): boolean {
    const { header, options } = this
    if (header.type === PacketType.Retry && options.role === "client") this.followRetry(bytes)
    if (header.type === PacketType.Retry || header.type === PacketType.VersionNegotiation) return true
    const level = header.type as Level
    if (level === Level.Initial && options.role === "server" && !this.heard) {
      if (options.retry === true && this.retrySource === undefined) return this.sendRetry(bytes)
      if (this.retrySource !== undefined && !this.isToRetry(bytes)) return true
      if (this.retrySource === undefined)
        this.originalDestination = bytes.slice(header.dcidStart, header.dcidEnd)
      this.installInitial(bytes.slice(header.dcidStart, header.dcidEnd))
    }
    const keys = this.read[level]
    if (keys === undefined) return false
    if (header.scidEnd > header.scidStart) {
      this.heard = true
      this.destination = bytes.slice(header.scidStart, header.scidEnd)
    }
    const pnLength = keys.unmask(bytes, start, header.packetNumberOffset, header.end)
    let truncated = 0
    for (let i = 0; i < pnLength; i++) truncated = truncated * 256 + bytes[header.packetNumberOffset + i]
    const space = spaceOfLevel(level)
    const packetNumber = decodePacketNumber(this.largestReceived[space], truncated, pnLength)
    const opened = keys.open(bytes, start, header.packetNumberOffset, pnLength, header.end, packetNumber, 0)
    if (!opened) return false
    this.largestReceived[space] = Math.max(this.largestReceived[space], packetNumber)
    this.received[space].push(packetNumber)
    this.seen.level = level
    this.seen.packetNumber = packetNumber
    const before = this.seen.frames.length
    const payloadStart = header.packetNumberOffset + pnLength
    const problem = this.decoder.decode(bytes, payloadStart, header.end - TAG, level, this.seen)
    this.audit.packet(
      header,
      bytes[start],
      level,
      space,
      packetNumber,
      problem,
      this.seen.frames.slice(before)
    )
    for (const frame of this.seen.frames.slice(before)) {
      if (frame.name !== "onCrypto") continue
      this.crypto.onCrypto(level, frame.values[0] as number, frame.bytes!, 0, frame.bytes!.length)
    }
    for (let read = this.crypto.read(level); read !== undefined; read = this.crypto.read(level))
      this.tls.handleCrypto(level, read)
    return true
  }

  /** Client: sends its ClientHello again, with the token. */
  private followRetry(bytes: Uint8Array): void {
    const { header } = this
    if (this.token !== undefined) return
    this.token = bytes.slice(header.tokenStart, header.tokenEnd)
    this.destination = bytes.slice(header.scidStart, header.scidEnd)
    this.installInitial(this.destination)
    this.cryptoSent[Level.Initial] = 0
    this.cryptoOut[Level.Initial].push(...this.hello)
  }

  private isToRetry(bytes: Uint8Array): boolean {
    const { dcidStart, dcidEnd } = this.header
    return Buffer.compare(bytes.subarray(dcidStart, dcidEnd), this.retrySource!) === 0
  }

  private sendRetry(bytes: Uint8Array): boolean {
    const { header, options } = this
    this.originalDestination = bytes.slice(header.dcidStart, header.dcidEnd)
    this.retrySource = options.random(8)
    const client = bytes.slice(header.scidStart, header.scidEnd)
    const retry = writeRetry(Version.v1, client, this.retrySource, options.random(20), options.random)
    const tag = retryIntegrityTag(options.suite, Version.v1, this.originalDestination, retry)
    const whole = new Uint8Array(retry.length + tag.length)
    whole.set(retry)
    whole.set(tag, retry.length)
    this.outbox.push(whole)
    return true
  }

  // — sending ———————————————————————————————————————————————————————————————————————————————————————————————————

  /** Builds a datagram with a single packet. */
  packet(level: Level, payload: Payload, options: PacketOptions = {}): Uint8Array {
    const space = spaceOfLevel(level)
    const w = new ByteWriter(new Uint8Array(65_536))
    const packetNumber = options.packetNumber ?? this.nextPacketNumber[space]
    this.nextPacketNumber[space] = Math.max(this.nextPacketNumber[space], packetNumber + 1)
    const pnLength = options.packetNumberLength ?? 4
    const destination = options.destination ?? this.destination
    let lengthOffset = -1
    if (level === Level.OneRtt) writeShortHeader(w, destination, false, options.phase ?? this.phase, pnLength)
    else
      lengthOffset = writeLongHeader(
        w,
        level,
        options.version ?? Version.v1,
        destination,
        options.source ?? this.source,
        options.token ?? this.token,
        pnLength
      )
    if (options.firstByte !== undefined) w.bytes[0] = options.firstByte(w.bytes[0])
    const numberOffset = w.offset
    for (let i = pnLength - 1; i >= 0; i--) w.u8(Math.floor(packetNumber / 2 ** (8 * i)) & 0xff)
    if (typeof payload === "function") payload(w)
    else w.copy(payload)
    const size = (options.size ?? 0) - TAG
    if (w.offset < size) w.fill(0, size - w.offset)
    if (lengthOffset >= 0) {
      const length = w.offset + TAG - numberOffset
      w.bytes[lengthOffset] = 0x40 | (length >> 8)
      w.bytes[lengthOffset + 1] = length & 0xff
    }
    const keys = options.keys ?? this.write[level]!
    const end = keys.seal(w.bytes, 0, numberOffset, pnLength, w.offset, packetNumber, options.pathId ?? 0)
    return w.bytes.slice(0, end)
  }

  /** Queues a packet for delivery. */
  send(level: Level, payload: Payload, options: PacketOptions = {}): void {
    this.outbox.push(this.packet(level, payload, options))
  }

  /** Writes an ACK of everything received at `level`. */
  ackAll(level: Level): (w: ByteWriter) => void {
    const numbers = [...new Set(this.received[spaceOfLevel(level)])].sort((a, b) => b - a)
    const ack = new AckFrame()
    for (const number of numbers) {
      if (ack.rangeCount > 0 && ack.smallest[ack.rangeCount - 1] === number + 1) {
        ack.smallest[ack.rangeCount - 1] = number
        continue
      }
      ack.largestOf[ack.rangeCount] = ack.smallest[ack.rangeCount] = number
      ack.rangeCount++
    }
    ack.largest = numbers[0]
    return (w) => writeAck(w, ack)
  }

  /** Switches to the next key phase. RFC 9001 §6 */
  updateKeys(direction: "both" | "write" = "both"): void {
    this.write[Level.OneRtt] = this.write[Level.OneRtt]!.next()
    if (direction === "both") this.read[Level.OneRtt] = this.read[Level.OneRtt]!.next()
    this.phase = this.phase === 0 ? 1 : 0
  }

  private pump(): void {
    for (let event = this.tls.pollEvent(); event !== undefined; event = this.tls.pollEvent()) {
      if (event._tag === "keys") {
        const cipher = cipherSuites.get(event.cipherSuite)!
        const keys = Keys.fromSecret(this.options.suite, cipher, event.secret, Version.v1)
        this[event.direction][event.level] = keys
      }
      if (event._tag === "verifyPeer") this.tls.handleVerdict({ ok: true })
      if (event._tag === "complete") this.complete = true
      if (event._tag === "failed") this.failedWith = event.reason
    }
    for (let out = this.tls.pollOutput(); out !== undefined; out = this.tls.pollOutput()) {
      const message =
        this.options.tamper === undefined ? out.bytes : this.options.tamper(out.bytes, out.level)
      if (message !== undefined) this.cryptoOut[out.level].push(message)
    }
    if (this.hello.length === 0) this.hello = [...this.cryptoOut[Level.Initial]]
    for (const level of [Level.Initial, Level.Handshake, Level.OneRtt] as const)
      for (const message of this.cryptoOut[level].splice(0)) this.sendCrypto(level, message)
  }

  /** Sends handshake bytes, a thousand per packet. */
  sendCrypto(level: Level, bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length; start += 1000) {
      const end = Math.min(bytes.length, start + 1000)
      const offset = this.cryptoSent[level]
      this.cryptoSent[level] += end - start
      const acknowledge = this.largestReceived[spaceOfLevel(level)] >= 0 ? this.ackAll(level) : undefined
      this.send(
        level,
        (w) => {
          acknowledge?.(w)
          writeCrypto(w, offset, bytes, start, end)
        },
        level === Level.Initial ? { size: 1200 } : {}
      )
    }
  }
}

/** Writes an ACK of `[smallest, largest]`. */
export const ackRange = (smallest: number, largest: number): ((w: ByteWriter) => void) => {
  const ack = new AckFrame()
  ack.largest = largest
  ack.rangeCount = 1
  ack.largestOf[0] = largest
  ack.smallest[0] = smallest
  return (w) => writeAck(w, ack)
}
