/**
 * Two sessions behind simulated NATs, without a connection: datagrams are just addresses, and what the sessions say to each
 * other takes a relay.
 */
import { type NatBehaviour, natKinds } from "../../layers/sim/natBehaviour.ts"
import { NatTable } from "../../layers/sim/NatTable.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { Timeline } from "../../layers/sim/Timeline.ts"
import type { Observation } from "../../src/nat/CandidateSource.ts"
import type { PhaseChange } from "../../src/nat/phases.ts"
import type { SessionOptions } from "../../src/nat/sessionOptions.ts"
import type { TraversalPort } from "../../src/nat/TraversalPort.ts"
import { TraversalSession } from "../../src/nat/TraversalSession.ts"
import type { Role } from "../../src/wire/Role.ts"
import { formatAddress, type SocketAddress, socketAddress } from "../../src/wire/SocketAddress.ts"

export type WorldNat = keyof typeof natKinds | "none" | "udpBlocked"

const DIRECT_NANOS = 20e6
const RELAY_NANOS = 45e6
const TRIES = 9
const FIRST_RETRY_NANOS = 33e6
const LONGEST_RETRY_NANOS = 2e9

/** A host, its NAT if any, and its session. */
export class WorldHost {
  readonly role: Role
  inside!: SocketAddress
  readonly session: TraversalSession
  readonly changes: Array<PhaseChange> = []
  /** Datagrams that carry challenges of ours. */
  probes = 0
  /** The addresses the peer must have in its path, once there is one. */
  directTo: SocketAddress | undefined = undefined
  isCut = false
  private readonly world: NatWorld
  private kind!: WorldNat
  private table: NatTable | undefined
  private outsideHost!: string
  private moves = 0
  private readonly random: SeededRandom
  private readonly probing = new Set<string>()
  private generation = 0
  private advertisedCount = 0

  constructor(
    world: NatWorld,
    role: Role,
    kind: WorldNat,
    random: SeededRandom,
    given: Partial<SessionOptions>
  ) {
    this.world = world
    this.role = role
    this.random = random
    this.attach(kind)
    this.session = new TraversalSession(
      this.port,
      {
        maxCandidates: 8,
        maxConcurrentAttempts: 3,
        coordinationTimeoutMillis: 10_000,
        predictPorts: true,
        scope: () => ({
          isPrivateAllowed: this.table !== undefined,
          isRelayed: ({ host }) => host.startsWith("fd")
        }),
        random: random.fork("session").bytes,
        roundTripMicros: () => (2 * RELAY_NANOS) / 1000,
        ...given
      },
      world.nowMicros
    )
  }

  get peer(): WorldHost {
    return this.role === "client" ? this.world.server : this.world.client
  }

  /** What `count` observers see, asked one after the other. */
  gather(count = 3): void {
    const { nowMicros } = this.world
    const observations: Array<Observation> = []
    for (let i = 0; i < count && this.kind !== "udpBlocked"; i++) {
      const observer = socketAddress(`198.51.100.${i + 1}`, 7842)!
      const mapped = this.leave(observer)
      if (mapped !== undefined) observations.push({ observer, mapped, socket: 0, atMicros: nowMicros + i })
    }
    const hosts = [{ address: this.inside, socket: 0 }]
    this.session.handleOwnAddresses({ hosts, observations, isGathering: false }, nowMicros)
    this.drive()
  }

  /** Moves to another network. */
  changeNat(kind: WorldNat): void {
    this.attach(kind)
    this.gather()
  }

  private attach(kind: WorldNat): void {
    const n = (this.role === "client" ? 1 : 2) + 10 * this.moves++
    this.kind = kind
    this.outsideHost = `203.0.113.${n}`
    const isBehind = kind !== "none" && kind !== "udpBlocked"
    this.inside = socketAddress(isBehind ? `10.0.${n}.5` : this.outsideHost, 5000 + n)!
    const { timeline } = this.world
    this.table = isBehind
      ? new NatTable({ ...natKinds[kind], ...this.world.ports }, timeline, this.random.fork(`nat ${n}`))
      : undefined
  }

  drive(): void {
    const { session, world } = this
    session.drive(world.nowMicros)
    for (let change = session.pollChange(); change !== undefined; change = session.pollChange())
      this.changes.push(change)
    const open = session.pollOpen()
    if (open !== undefined) this.open(open.remote)
    world.wakeAt(this, session.deadlineMicros)
  }

  /** The direct path does not work any more. */
  lose(): void {
    this.directTo = undefined
    this.session.handleDirectDown(this.world.nowMicros)
    this.drive()
  }

  private get port(): TraversalPort {
    const relay = (say: (peer: WorldHost, nowMicros: number) => void) =>
      this.world.later(RELAY_NANOS, () => {
        say(this.peer, this.world.nowMicros)
        this.peer.drive()
      })
    return {
      role: this.role,
      maxCandidates: 8,
      advertise: (address) => {
        const seq = this.advertisedCount++
        relay((peer, now) => peer.session.handleAdvertised(seq, address, now))
        return seq
      },
      withdraw: (seq) => relay((peer, now) => peer.session.handleWithdrawn(seq, now)),
      reachOut: (round, addresses) => {
        for (const address of addresses)
          relay((peer, now) => peer.session.handleReachOut(round, address, now))
      },
      probe: (remote) => this.probe(remote, 0, this.generation),
      cancelProbes: () => {
        this.generation++
        this.probing.clear()
      }
    }
  }

  private probe(remote: SocketAddress, tries: number, generation: number): void {
    const key = formatAddress(remote)
    if (generation !== this.generation || (tries === 0 && this.probing.has(key))) return
    this.probing.add(key)
    if (tries === TRIES) {
      this.session.handleProbeFailed(remote, 0, this.world.nowMicros)
      return this.drive()
    }
    this.probes++
    const { nowMicros } = this.world
    this.send(remote, (host, from) =>
      host.onChallenge(from, (answeredFrom) => this.onAnswer(remote, answeredFrom, nowMicros))
    )
    const retry = Math.min(LONGEST_RETRY_NANOS, FIRST_RETRY_NANOS * 2 ** tries)
    this.world.later(retry, () => {
      if (this.probing.has(key)) this.probe(remote, tries + 1, generation)
    })
  }

  private onChallenge(from: SocketAddress, answer: (from: SocketAddress) => void): void {
    const { session, world } = this
    this.send(from, (_host, source) => answer(source))
    session.handlePeerProbe(from, world.nowMicros)
    // a client adds a challenge of its own to its answer
    if (this.role === "client") this.probe(from, 0, this.generation)
    this.drive()
  }

  private onAnswer(remote: SocketAddress, _from: SocketAddress, sentMicros: number): void {
    const { session, world } = this
    this.probing.delete(formatAddress(remote))
    session.handleProbeAnswered(remote, 0, world.nowMicros - sentMicros, world.nowMicros)
    this.drive()
  }

  private open(remote: SocketAddress): void {
    if (this.world.losesPaths) return
    let isDone = false
    this.send(remote, (host, from) =>
      host.send(from, () => {
        isDone = true
        for (const [side, to] of [
          [this, remote],
          [host, from]
        ] as const) {
          side.directTo = to
          side.session.handleDirectUp(this.world.nowMicros)
          side.drive()
        }
      })
    )
    this.world.later(3e9, () => {
      if (isDone) return
      this.session.handleOpenFailed(this.world.nowMicros)
      this.drive()
    })
  }

  private send(to: SocketAddress, arrive: (host: WorldHost, from: SocketAddress) => void): void {
    if (this.kind === "udpBlocked" || this.isCut) return
    const from = this.leave(to)
    if (from === undefined) return
    this.world.later(DIRECT_NANOS, () => {
      if (this.peer.receives(to, from)) arrive(this.peer, from)
    })
  }

  private leave(to: SocketAddress): SocketAddress | undefined {
    if (this.table === undefined) return this.inside
    return this.table.open(this.inside, to, this.outsideHost)?.outside
  }

  private receives(to: SocketAddress, from: SocketAddress): boolean {
    if (this.kind === "udpBlocked" || this.isCut) return false
    if (this.table === undefined) return formatAddress(to) === formatAddress(this.inside)
    const mapping = this.table.findOutside(to)
    return mapping !== undefined && this.table.admits(mapping, from)
  }
}

export class NatWorld {
  readonly timeline = new Timeline()
  readonly client: WorldHost
  readonly server: WorldHost
  /** What the NATs give out. */
  readonly ports: Partial<Pick<NatBehaviour, "firstPort" | "lastPort">>
  /** Probes are answered, but nothing is ever heard of paths. */
  losesPaths = false
  private readonly wakes = new Map<WorldHost, number>()

  constructor(
    client: WorldNat,
    server: WorldNat,
    seed: string | number,
    options: Partial<SessionOptions> = {},
    ports: NatWorld["ports"] = {}
  ) {
    this.ports = ports
    const random = new SeededRandom(seed)
    this.client = new WorldHost(this, "client", client, random.fork("client"), options)
    this.server = new WorldHost(this, "server", server, random.fork("server"), options)
  }

  get nowMicros(): number {
    return Math.round(this.timeline.nowNanos / 1000)
  }

  later(nanos: number, run: () => void): void {
    this.timeline.at(this.timeline.nowNanos + nanos, run)
  }

  wakeAt(host: WorldHost, micros: number): void {
    if (micros === Number.POSITIVE_INFINITY || micros === this.wakes.get(host)) return
    this.wakes.set(host, micros)
    this.timeline.at(micros * 1000, () => {
      if (this.wakes.get(host) !== micros) return
      this.wakes.delete(host)
      host.drive()
    })
  }

  /** For so many seconds at most. */
  run(seconds: number, until: () => boolean = () => false): void {
    const end = this.timeline.nowNanos + seconds * 1e9
    this.timeline.at(end, () => {})
    while (!until() && this.timeline.nextNanos <= end && this.timeline.advance()) {
      // one instant at a time
    }
  }

  get isDirect(): boolean {
    return this.client.session.phase === "Connected" && this.server.session.phase === "Connected"
  }
}
