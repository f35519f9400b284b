/** A real endpoint against a puppet, over a lossless link, in virtual time. */
import type { Role } from "../../src/wire/Role.ts"
import * as Schema from "effect/Schema"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { defaultLimits, type Limits } from "../../src/admission/Limits.ts"
import type { CertificateType } from "../../src/capability/CertificateVerifier.ts"
import type { NamedGroup } from "../../src/capability/CryptoSuite.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import type { ConnectionEvent } from "../../src/connection/ConnectionEvents.ts"
import type { TlsSettings, TransportSettings } from "../../src/connection/ConnectionConfig.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import type { ClientMemory, EndpointConfig } from "../../src/endpoint/EndpointConfig.ts"
import type { PeerVerdict, TlsIdentity } from "../../src/handshake/TlsSession.ts"
import { TLS_AES_128_GCM_SHA256 } from "../../src/protect/CipherSuite.ts"
import { TransportOptions, transportSettings as settingsOf } from "../../src/QuicOptions.ts"
import { writeHandshakeDone } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { Puppet, type PuppetOptions } from "./Puppet.ts"
import { suite } from "../io.ts"

export const puppetAddress: SocketAddress = { host: "192.0.2.1", port: 4433, family: 4 }

export interface DuelOptions {
  readonly victim: Role
  readonly puppet?: Partial<PuppetOptions>
  readonly transport?: TransportOptions
  readonly verdict?: PeerVerdict
  readonly groups?: ReadonlyArray<NamedGroup>
  readonly peerCertificateTypes?: ReadonlyArray<CertificateType>
  readonly requestClientCertificate?: "none" | "request" | "require"
  readonly seed?: string
  /** Client: what it remembers; without it, tickets are not kept. */
  readonly memory?: ClientMemory
  readonly observe?: EndpointConfig["observe"]
  readonly limits?: Partial<Limits>
}

export const rawIdentity = (random: SeededRandom): TlsIdentity => {
  const key = suite.signingKey(suite.generateSigningKey("ed25519", random.bytes))!
  return { kind: "rawPublicKey", chain: [key.spki], key }
}

const decoded = Schema.decodeUnknownSync(TransportOptions)

/** A server's TLS settings with a raw public key, unless changed. */
export const tlsSettings = (identity: TlsIdentity, changes: Partial<TlsSettings> = {}): TlsSettings => ({
  alpn: ["test"],
  cipherSuites: [TLS_AES_128_GCM_SHA256],
  groups: suite.groups,
  peerCertificateTypes: ["rawPublicKey"],
  selectIdentity: () => identity,
  requestClientCertificate: "none",
  serverName: undefined,
  expectedName: undefined,
  keyLog: false,
  ...changes
})

export const transportSettings = (options: TransportOptions = {}): TransportSettings =>
  settingsOf(decoded(options))

export class Duel {
  readonly endpoint: Endpoint
  readonly puppet: Puppet
  readonly events: Array<ConnectionEvent> = []
  /** Sizes of the datagrams the victim has sent. */
  readonly sent: Array<number> = []
  nowMicros = 1_000_000
  /** How often one of the victim's deadlines has fired. */
  wakeups = 0
  /** The victim's connection; on a server it exists only after the first Initial. */
  connection!: Connection
  private readonly options: DuelOptions
  private readonly buffer = new Uint8Array(65_536)

  constructor(options: DuelOptions) {
    this.options = options
    const random = new SeededRandom(options.seed ?? "duel")
    const identity = rawIdentity(random.fork("victim"))
    const isClient = options.victim === "client"
    const name = isClient ? "localhost" : undefined
    const tls = tlsSettings(identity, {
      groups: options.groups ?? suite.groups,
      peerCertificateTypes: options.peerCertificateTypes ?? ["rawPublicKey", "x509"],
      requestClientCertificate: options.requestClientCertificate ?? "none",
      serverName: name,
      expectedName: name
    })
    const transport = transportSettings({ maxDatagramBytes: 1200, ...options.transport })
    this.endpoint = new Endpoint({
      suite,
      random: random.fork("entropy").bytes,
      connectionIdBytes: 8,
      server: isClient ? undefined : { tls, transport },
      limits: { ...defaultLimits, ...options.limits },
      ...(options.observe !== undefined && { observe: options.observe })
    })
    this.puppet = new Puppet({
      role: isClient ? "server" : "client",
      suite,
      random: random.fork("puppet").bytes,
      identity: rawIdentity(random.fork("puppet identity")),
      ...options.puppet
    })
    if (isClient)
      this.connection = this.endpoint.connect(puppetAddress, tls, transport, this.nowMicros, options.memory)
    else this.puppet.start()
  }

  /** Exchanges datagrams until neither has anything to send. */
  exchange(): this {
    for (let round = 0; round < 100; round++) {
      const sent = this.drainVictim()
      if (this.puppet.outbox.length === 0 && !sent) return this
      this.deliver()
    }
    throw new Error("the exchange does not end")
  }

  /** Completes and confirms the handshake, with everything acknowledged. */
  shakeHands(): this {
    this.exchange()
    if (this.connection.lifecycle.state !== "established")
      throw new Error(
        `the handshake failed: ${JSON.stringify(this.connection.closeReason ?? this.puppet.failedWith)}`
      )
    const { puppet } = this
    if (this.options.victim === "client") this.inject(puppet.packet(Level.OneRtt, writeHandshakeDone))
    return this.inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt)))
  }

  /** Delivers one datagram to the victim, and lets it answer. */
  inject(datagram: Uint8Array): this {
    this.puppet.outbox.push(datagram)
    return this.exchange()
  }

  /** Advances time, firing the victim's deadlines on the way. */
  advance(micros: number): this {
    const until = this.nowMicros + micros
    for (let i = 0; i < 100_000; i++) {
      const deadline = this.connection.timeout(this.nowMicros)
      if (deadline > until) {
        this.nowMicros = until
        return this
      }
      this.nowMicros = Math.max(this.nowMicros, deadline)
      this.wakeups++
      this.connection.handleTimeout(this.nowMicros)
      this.exchange()
    }
    throw new Error("a deadline of the victim is always due")
  }

  /** Delivers the puppet's outbox. */
  deliver(): void {
    for (const datagram of this.puppet.outbox.splice(0)) {
      const addressee = this.endpoint.handleDatagram(datagram.slice(), puppetAddress, 0, this.nowMicros)
      if (addressee !== undefined) this.connection = addressee
      this.settle()
    }
  }

  /** Takes what the victim has to send; returns whether there was anything. */
  drainVictim(): boolean {
    let any = false
    for (let reply = this.endpoint.pollReply(); reply !== undefined; reply = this.endpoint.pollReply()) {
      any = true
      this.receive(reply.bytes)
    }
    const { connection } = this
    if (connection === undefined) return any
    this.settle()
    for (;;) {
      const end = connection.pollTransmit(this.buffer, 0, this.nowMicros)
      if (end === 0) break
      any = true
      this.receive(this.buffer.slice(0, end))
    }
    this.endpoint.routeIds(connection)
    this.settle()
    return any
  }

  /** Replaced by tests that drop or delay what the victim sends. */
  receive(datagram: Uint8Array): void {
    this.sent.push(datagram.length)
    this.puppet.receive(datagram)
  }

  private settle(): void {
    const { connection } = this
    if (connection === undefined) return
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent()) {
      this.events.push(event)
      if (event._tag === "verifyPeer")
        connection.handleVerdict(this.options.verdict ?? { ok: true }, this.nowMicros)
      if (event._tag === "drained") this.endpoint.forget(connection)
    }
  }
}
