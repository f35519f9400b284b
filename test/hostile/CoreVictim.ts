/** The endpoint that is attacked at the core: no I/O, and virtual time. */
import type { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { CertificateVerifierShape } from "../../src/capability/CertificateVerifier.ts"
import type { ConnectionEvent } from "../../src/connection/ConnectionEvents.ts"
import type { PeerVerdict } from "../../src/handshake/TlsSession.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import * as Effect from "effect/Effect"
import { type Attack, victimTransport } from "./Attack.ts"
import { cpuMicros } from "./attackers.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import type { TlsSettings, TransportSettings } from "../../src/connection/ConnectionConfig.ts"
import { QlogTrace } from "../../src/qlog/QlogTrace.ts"
import type { Role } from "../../src/wire/Role.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import { rawIdentity, tlsSettings, transportSettings } from "../connection/Duel.ts"
import type { Puppet } from "../connection/Puppet.ts"
import { suite } from "../io.ts"
import { ProbeBudget } from "../../src/nat/ProbeBudget.ts"
import type { TraversalListener } from "../../src/nat/TraversalPort.ts"

/** Time between two datagrams. */
const GAP_MICROS = 20
/** The last of what the victim answered is kept, to see how it closed. */
const KEPT = 64

type PeerRequest = Extract<ConnectionEvent, { _tag: "verifyPeer" }>["request"]

export class CoreVictim {
  readonly endpoint: Endpoint
  nowMicros = 1_000_000
  bytesOut = 0
  bytesAstray = 0
  answers: Array<Uint8Array> = []
  /** What has been recorded of connections, if the attack is watched. */
  readonly qlogs: Array<string> = []
  /** CPU time of verifying certificates. */
  verifyMicros = 0
  /** Datagrams delivered. */
  delivered = 0
  private readonly verifier: CertificateVerifierShape | undefined
  private readonly tls: TlsSettings
  private readonly transport: TransportSettings
  private readonly buffer = new Uint8Array(65_536)
  /** Who has sent anything, or has been connected to. */
  private readonly known = new Set<string>()

  constructor(random: SeededRandom, { retry = "underLoad", trusts, isWatched = false }: Attack) {
    this.verifier = trusts && Effect.runSync(NodeCertificateVerifier.authorities(trusts))
    this.tls = tlsSettings(rawIdentity(random), { peerCertificateTypes: ["rawPublicKey", "x509"] })
    this.transport = transportSettings(victimTransport)
    const server = { tls: this.tls, transport: this.transport, retry }
    const qlog = () => (records: string) => void this.qlogs.push(records)
    const observe = isWatched
      ? (role: Role, id: Uint8Array, nowMicros: number) => new QlogTrace(role, id, nowMicros, 0, qlog)
      : undefined
    this.endpoint = new Endpoint({
      suite,
      random: random.bytes,
      connectionIdBytes: 8,
      server,
      ...(observe && { observe })
    })
  }

  /** Delivers a datagram and takes the answers to it. */
  deliver(datagram: Uint8Array, from: SocketAddress): void {
    this.nowMicros += GAP_MICROS
    this.known.add(formatAddress(from))
    this.delivered++
    const { endpoint } = this
    const connection = endpoint.handleDatagram(datagram, from, 0, this.nowMicros)
    for (let reply = endpoint.pollReply(); reply !== undefined; reply = endpoint.pollReply())
      this.answer(reply.bytes, reply.to)
    if (connection !== undefined) this.serve(connection)
  }

  /** Advances time, firing what is due. */
  wait(micros: number): void {
    this.nowMicros += micros
    for (const connection of this.endpoint.connections) {
      if (connection.timeout(this.nowMicros) > this.nowMicros) continue
      connection.handleTimeout(this.nowMicros)
      this.serve(connection)
    }
  }

  /** Lets a puppet have its handshake, as a client or as a server. */
  shakeHands(puppet: Puppet, at: SocketAddress): void {
    if (puppet.options.role === "client") {
      puppet.start()
      return this.exchange(puppet, at)
    }
    this.answers = []
    this.known.add(formatAddress(at))
    const tls = { ...this.tls, serverName: "localhost", expectedName: "localhost" }
    this.serve(this.endpoint.connect(at, tls, this.transport, this.nowMicros))
    for (const bytes of this.answers) puppet.receive(bytes)
    this.exchange(puppet, at)
  }

  /** Exchanges datagrams until neither has anything to send. */
  exchange(puppet: Puppet, from: SocketAddress): void {
    for (let round = 0; round < 100 && puppet.outbox.length > 0; round++)
      for (const datagram of puppet.outbox.splice(0)) {
        this.answers = []
        this.deliver(datagram, from)
        for (const bytes of this.answers) puppet.receive(bytes)
      }
  }

  private serve(connection: Connection): void {
    const { endpoint, buffer } = this
    this.settle(connection)
    echo(connection)
    for (;;) {
      const end = connection.pollTransmit(buffer, 0, this.nowMicros)
      if (end === 0) break
      this.answer(buffer.slice(0, end), connection.transmit.remote)
    }
    endpoint.routeIds(connection)
    this.settle(connection)
  }

  private settle(connection: Connection): void {
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent()) {
      if (event._tag === "verifyPeer") connection.handleVerdict(this.verdictOn(event.request), this.nowMicros)
      if (event._tag === "established") this.punch(connection)
      if (event._tag === "traversal") connection.traversal.deliver()
      if (event._tag === "drained") this.endpoint.forget(connection)
    }
  }

  /** Probes whatever the peer names: only the budget is between it and its targets. */
  private punch({ traversal }: Connection): void {
    const probe = (address: SocketAddress) => traversal.probe(address, 0, this.nowMicros)
    const ignore = () => {}
    const listener: TraversalListener = {
      onAddressAdvertised: (_, address) => probe(address),
      onAddressWithdrawn: ignore,
      onReachOut: (_, address) => probe(address),
      onProbeAnswered: ignore,
      onProbeFailed: ignore,
      onPeerProbe: ignore,
      onObservedAddress: ignore
    }
    traversal.attach(listener, new ProbeBudget())
  }

  private verdictOn({ peer, serverName }: PeerRequest): PeerVerdict {
    if (this.verifier === undefined) return { ok: true }
    const before = cpuMicros()
    const verdict = this.verifier.verify({ peer, serverName, role: "server" }).pipe(
      Effect.match({
        onSuccess: () => ({ ok: true }) as const,
        onFailure: ({ alert, reason }) => ({ ok: false, alert, reason }) as const
      }),
      Effect.runSync
    )
    this.verifyMicros += cpuMicros() - before
    return verdict
  }

  private answer(bytes: Uint8Array, to: SocketAddress): void {
    if (!this.known.has(formatAddress(to))) this.bytesAstray += bytes.length
    this.bytesOut += bytes.length
    this.answers.push(bytes)
    if (this.answers.length > KEPT) this.answers.shift()
  }
}

/** Sends back what has arrived, as far as there is room. */
const echo = ({ streams }: Connection): void => {
  for (let id = streams.pollReadable(); id >= 0; id = streams.pollReadable())
    for (let bytes = streams.read(id, 65_536); bytes !== undefined; bytes = streams.read(id, 65_536))
      streams.write(id, bytes)
  for (let id = streams.pollOpened(); id >= 0; id = streams.pollOpened());
  for (let id = streams.pollWritable(); id >= 0; id = streams.pollWritable());
  for (let id = streams.pollStopped(); id >= 0; id = streams.pollStopped()) streams.reset(id, 0)
  for (let id = streams.pollClosed(); id >= 0; id = streams.pollClosed());
}
