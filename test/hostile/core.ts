/** Runs an attack against an endpoint without I/O, in virtual time. */
import { suite } from "../../layers/node/NodeCryptoSuite.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import { TLS_AES_128_GCM_SHA256 } from "../../src/protect/CipherSuite.ts"
import { Level } from "../../src/wire/PacketType.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { rawIdentity, transportSettings } from "../connection/Duel.ts"
import type { Puppet } from "../connection/Puppet.ts"
import type { Attack, Measured } from "./Attack.ts"
import { bytesInUse, cpuMicros, honestPackets, makeClient, sizeOf } from "./attackers.ts"

/** Time between two datagrams. */
const GAP_MICROS = 20
/** The last of what the victim answered is kept, to see how it closed. */
const KEPT = 8

const makeEndpoint = (random: SeededRandom): Endpoint => {
  const identity = rawIdentity(random)
  const tls = {
    alpn: ["test"],
    cipherSuites: [TLS_AES_128_GCM_SHA256],
    groups: suite.groups,
    peerCertificateTypes: ["rawPublicKey", "x509"],
    selectIdentity: () => identity,
    requestClientCertificate: "none",
    serverName: undefined,
    expectedName: undefined,
    keyLog: false
  } as const
  const retry = "underLoad" as const
  const server = { tls, transport: transportSettings({ maxDatagramFrameBytes: 1200 }), retry }
  return new Endpoint({ suite, random: random.bytes, connectionIdBytes: 8, server })
}

const addressOf = (n: number): SocketAddress => ({
  host: `198.51.100.${1 + (n % 250)}`,
  port: 10_000 + n,
  family: 4
})

class CoreServer {
  readonly endpoint: Endpoint
  nowMicros = 1_000_000
  bytesOut = 0
  answers: Array<Uint8Array> = []
  private readonly buffer = new Uint8Array(65_536)

  constructor(random: SeededRandom) {
    this.endpoint = makeEndpoint(random)
  }

  /** Delivers a datagram and takes the answers to it. */
  deliver(datagram: Uint8Array, from: SocketAddress): void {
    this.nowMicros += GAP_MICROS
    const { endpoint } = this
    const connection = endpoint.handleDatagram(datagram, from, 0, this.nowMicros)
    for (let reply = endpoint.pollReply(); reply !== undefined; reply = endpoint.pollReply())
      this.answer(reply.bytes)
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
    for (;;) {
      const end = connection.pollTransmit(buffer, 0, this.nowMicros)
      if (end === 0) break
      this.answer(buffer.slice(0, end))
    }
    endpoint.routeIds(connection)
    this.settle(connection)
  }

  private settle(connection: Connection): void {
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent()) {
      if (event._tag === "verifyPeer") connection.handleVerdict({ ok: true }, this.nowMicros)
      if (event._tag === "drained") this.endpoint.forget(connection)
    }
  }

  private answer(bytes: Uint8Array): void {
    this.bytesOut += bytes.length
    this.answers.push(bytes)
    if (this.answers.length > KEPT) this.answers.shift()
  }
}

/** Whether a new client gets in, and an old one is still answered. */
const unserved = (server: CoreServer, random: SeededRandom, old: Puppet): string | undefined => {
  const fresh = makeClient(random)
  fresh.start()
  server.exchange(fresh, addressOf(9_001))
  if (!fresh.complete) return `a new client was not served: ${fresh.failedWith ?? "no answer"}`
  const before = old.seen.named("onAck").length
  for (const ping of honestPackets(old).slice(0, 2)) old.outbox.push(ping)
  server.exchange(old, addressOf(9_000))
  server.answers = []
  server.wait(100_000)
  for (const bytes of server.answers) old.receive(bytes)
  return old.seen.named("onAck").length > before ? undefined : "an established client was not answered"
}

export const runAtCore = (attack: Attack): Measured => {
  const random = new SeededRandom(attack.name)
  const server = new CoreServer(random.fork("server"))
  const honest = makeClient(random.fork("honest"))
  honest.start()
  server.exchange(honest, addressOf(9_000))
  const attacker = makeClient(random.fork("attacker"), attack.puppet)
  const micros = (datagrams: ReadonlyArray<Uint8Array>, from: (n: number) => SocketAddress): number => {
    const before = cpuMicros()
    for (const [n, datagram] of datagrams.entries()) server.deliver(datagram, from(n))
    return (cpuMicros() - before) / Math.max(1, datagrams.length)
  }
  // twice, as the first run is that of cold code
  micros(honestPackets(honest), () => addressOf(9_000))
  const honestMicrosPerPacket = micros(honestPackets(honest), () => addressOf(9_000))
  if (attack.spoofed === undefined) {
    attacker.start()
    server.exchange(attacker, addressOf(9_002))
    if (attacker.write[Level.OneRtt] !== undefined) server.exchange(attacker, addressOf(9_002))
  }
  let nth = 0
  const datagrams =
    attack.spoofed?.(() => makeClient(random.fork(`stranger ${nth++}`))) ?? attack.packets?.(attacker) ?? []
  server.answers = []
  server.bytesOut = 0
  const before = bytesInUse()
  const cpuMicrosPerPacket = micros(
    datagrams,
    attack.spoofed === undefined ? () => addressOf(9_002) : addressOf
  )
  const bytesHeld = Math.max(0, bytesInUse() - before)
  const { bytesOut } = server
  // read after measuring, so that the attacker's datagrams stay in memory until then
  const bytesIn = sizeOf(datagrams)
  if (attack.spoofed === undefined) for (const bytes of server.answers) attacker.receive(bytes)
  return {
    bytesHeld,
    cpuMicrosPerPacket,
    honestMicrosPerPacket,
    bytesIn,
    bytesOut,
    closed: attacker.seen.close?.code,
    forgedLog: undefined,
    unserved: unserved(server, random.fork("fresh"), honest)
  }
}
