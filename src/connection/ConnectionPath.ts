import type { AntiAmplification } from "../path/AntiAmplification.ts"
import { EcnValidator } from "../path/EcnValidator.ts"
import { LocalConnectionIds } from "../path/LocalConnectionIds.ts"
import { MtuDiscovery } from "../path/MtuDiscovery.ts"
import type { PathValidator } from "../path/PathValidator.ts"
import { PeerConnectionIds } from "../path/PeerConnectionIds.ts"
import { Route, type SocketNumber } from "../path/Route.ts"
import { AckFrequency } from "../recovery/AckFrequency.ts"
import { congestionControllers } from "../recovery/congestionControllers.ts"
import { PathRecovery } from "../recovery/PathRecovery.ts"
import { ReceivedPackets } from "../recovery/ReceivedPackets.ts"
import type { SentPacket } from "../recovery/SentPacket.ts"
import { Space } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { TransportParameters } from "../wire/TransportParameters.ts"
import { type ConnectionConfig, MINIMUM_DATAGRAM_BYTES } from "./ConnectionConfig.ts"
import { ackTimerMicros } from "./parameters.ts"
import { IdRotation } from "./IdRotation.ts"
import type { Migration } from "./Migration.ts"
import { PhaseMarks } from "./PhaseMarks.ts"
import { RouteSet } from "./RouteSet.ts"
import { SkippedNumbers } from "./SkippedNumbers.ts"

/** How many IDs the peer may hold, and how many it is given beyond those it has used: enough for two moves at once. */
const MOST_IDS = 8
const SPARE_IDS = 2
/** Bytes of a packet around a DATAGRAM frame: short header with the longest ID and number, and the tag. */
const PACKET_OVERHEAD = 1 + 20 + 4 + 16

/** Totals of one path since its start, UDP payloads. */
export interface PathTraffic {
  bytesSent: number
  bytesReceived: number
  datagramsSent: number
  datagramsReceived: number
}

/** Where a path leads at first, and by which connection IDs. */
export interface PathSetup {
  /** The same in both directions; 0 is the path the handshake makes. draft-ietf-quic-multipath */
  readonly id: number
  readonly remote: SocketAddress
  /** Which of the endpoint's sockets leads there. */
  readonly socket: SocketNumber
  /** The peer has proven to be at `remote`, or need not. RFC 9000 §8.1 */
  readonly addressValidated: boolean
  /** The IDs of the handshake; left out, the path has none until both sides have issued some for it. */
  readonly ids?: {
    readonly local: Uint8Array
    readonly peer: Uint8Array
    /** server: what the client made up, and sends to until it has `local`. RFC 9000 §7.2 */
    readonly madeUp: Uint8Array | undefined
  }
}

/**
 * Everything that belongs to one path: its packet-number spaces, connection IDs, round-trip time, congestion window,
 * datagram size and validation. Single-path QUIC has path 0 and no other.
 */
export class ConnectionPath {
  readonly id: number
  /** Where it leads: it can move from one pair of addresses to another. */
  readonly routes: RouteSet
  /** Set when the path becomes one of a connection. */
  migration!: Migration
  readonly recovery: PathRecovery
  readonly received: readonly [ReceivedPackets, ReceivedPackets, ReceivedPackets]
  readonly localIds: LocalConnectionIds
  readonly peerIds: PeerConnectionIds
  mtu: MtuDiscovery
  readonly ecn: EcnValidator
  readonly ackFrequency: AckFrequency
  readonly phaseMarks = new PhaseMarks()
  /** Ack-eliciting packets a PTO has called for, by space; they do not wait for the congestion window. */
  readonly probes: [number, number, number] = [0, 0, 0]
  /** When its connection IDs are due to change. */
  readonly rotation: IdRotation
  readonly traffic: PathTraffic = { bytesSent: 0, bytesReceived: 0, datagramsSent: 0, datagramsReceived: 0 }
  /** The 1-RTT packet numbers it leaves unused. */
  readonly skipped: SkippedNumbers
  /** Datagrams in a row with something else to say than an MTU probe. */
  sinceMtuProbe = 0

  constructor(config: ConnectionConfig, setup: PathSetup, nowMicros: number) {
    const { transport, role } = config
    this.id = setup.id
    this.recovery = new PathRecovery({
      role,
      congestion: congestionControllers[transport.congestion],
      maxDatagramSize: transport.initialDatagramBytes,
      initialRttMicros: transport.initialRttMillis * 1000
    })
    this.ackFrequency = new AckFrequency(this.recovery)
    const maxAckDelayMicros = ackTimerMicros(transport)
    this.received = [
      new ReceivedPackets(Space.Initial, maxAckDelayMicros),
      new ReceivedPackets(Space.Handshake, maxAckDelayMicros),
      new ReceivedPackets(Space.Application, maxAckDelayMicros)
    ]
    this.localIds = new LocalConnectionIds({
      pathId: this.id,
      length: config.connectionIdBytes,
      makeCid: config.makeConnectionId,
      makeToken: config.makeResetToken,
      firstCid: setup.ids?.local,
      madeUp: setup.ids?.madeUp,
      limitOurs: MOST_IDS,
      spares: SPARE_IDS
    })
    this.peerIds = new PeerConnectionIds({
      pathId: this.id,
      limit: transport.activeConnectionIdLimit,
      first: setup.ids?.peer
    })
    const first = new Route(setup.remote, setup.socket, setup.addressValidated, this.peerIds.activeId)
    this.routes = new RouteSet(this.peerIds, first)
    this.mtu = new MtuDiscovery({ base: transport.initialDatagramBytes, max: transport.maxDatagramBytes })
    this.rotation = new IdRotation(transport.rotateIdsAfterPackets, transport.rotateIdsAfterMillis, nowMicros)
    this.skipped = new SkippedNumbers(config.random)
    this.ecn = new EcnValidator(config.ecn)
    this.ecn.start(nowMicros, this.recovery.ptoMicros())
  }

  get remote(): SocketAddress {
    return this.routes.current.remote
  }

  get validator(): PathValidator {
    return this.routes.current.validator
  }

  get amplification(): AntiAmplification {
    return this.routes.current.amplification
  }

  /** RFC 9000 §18.2: max_ack_delay, min_ack_delay and max_udp_payload_size hold for every path. */
  onPeerParameters(peer: TransportParameters): void {
    const maxAckDelayMicros = peer.maxAckDelayMillis * 1000
    this.recovery.setPeerMaxAckDelay(maxAckDelayMicros)
    if (peer.minAckDelayMicros !== undefined)
      this.ackFrequency.start(peer.minAckDelayMicros, maxAckDelayMicros)
    this.mtu.setPeerMax(peer.maxUdpPayloadSize)
    this.recovery.setMaxDatagramSize(this.mtu.current)
  }

  onHandshakeConfirmed(): void {
    this.recovery.onHandshakeConfirmed()
    this.mtu.start()
  }

  /**
   * The current route has become another. What was measured on the one before says nothing about it, unless only the
   * peer's port is different: then it is a NAT that forgot. RFC 9000 §9.4 #2
   */
  onMoved(before: Route, nowMicros: number): void {
    const { current } = this.routes
    if (before.socket !== current.socket || before.remote.host !== current.remote.host) {
      this.mtu = this.mtu.renewed()
      this.mtu.start()
      this.recovery.setMaxDatagramSize(this.mtu.current)
      this.recovery.resetForMigration(nowMicros)
    }
    // RFC 9000 §13.4.2: a new path is tested anew
    this.ecn.start(nowMicros, this.recovery.ptoMicros())
    this.onCreditChanged()
  }

  /** Whether new connection IDs are due, in both directions. RFC 9000 §5.1, §9.5 */
  isRotationDue(nowMicros: number): boolean {
    return this.rotation.isDue(this.recovery.counters.packetsSent, nowMicros)
  }

  /** Changes the connection IDs of both directions, as far as the peer has given any. RFC 9000 §5.1.2 */
  rotateIds(nowMicros: number): void {
    this.routes.renewId()
    this.localIds.rotate(1)
    this.rotation.restart(this.recovery.counters.packetsSent, nowMicros)
  }

  /** False while the peer has given no ID to send to, or may not be sent more before it has proven its address. */
  get maySend(): boolean {
    return this.peerIds.usable && this.amplification.remaining >= this.routes.current.leastBytes
  }

  /** Whether there is room to pad an Initial that asks for an answer as far as it must be. RFC 9000 §14.1 #2 */
  get mayAskInInitial(): boolean {
    return this.amplification.remaining >= MINIMUM_DATAGRAM_BYTES
  }

  /** How large the next datagram may be, at most `room` bytes. RFC 9000 §14.1 #4, §14.2 #S3 */
  sendLimit(room: number): number {
    const most = this.isSmallProbeDue ? MINIMUM_DATAGRAM_BYTES : this.mtu.current
    return Math.min(room, most, this.amplification.remaining)
  }

  /**
   * When one PTO has brought no answer, the last probe of each that follows is small: on a path that swallows large
   * datagrams all others would be in vain, and that this one arrives tells them apart from loss. RFC 8899 §4.3
   */
  private get isSmallProbeDue(): boolean {
    return this.probes[Space.Application] === 1 && this.recovery.ptoCount >= 2
  }

  /** Whether a full datagram of ack-eliciting frames may leave now. */
  mayElicit(nowMicros: number): boolean {
    return this.recovery.sendQuota(nowMicros) > 0
  }

  /** An ACK has been dealt with. */
  onMeasured(): void {
    const { recovery, mtu } = this
    // draft-ietf-quic-ack-frequency §9.1.1: slow start feeds on ACKs, and the way it ends depends on many
    if (recovery.congestion.slowStartThreshold === Number.POSITIVE_INFINITY) return
    const window = recovery.congestionWindow / mtu.current
    this.ackFrequency.onMeasured(window, recovery.rtt.smoothedMicros, recovery.packetThreshold)
  }

  /** The largest frame that fits a packet of this path. */
  get maxFrameBytes(): number {
    return this.mtu.current - PACKET_OVERHEAD
  }

  onDatagramReceived(size: number, route: Route): void {
    this.traffic.bytesReceived += size
    this.traffic.datagramsReceived++
    route.onDatagramReceived(size)
    if (route === this.routes.current) this.onCreditChanged()
  }

  onDatagramSent(size: number, route: Route): void {
    this.traffic.bytesSent += size
    this.traffic.datagramsSent++
    route.onDatagramSent(size)
    if (route === this.routes.current) this.onCreditChanged()
  }

  /** RFC 9002 §6.2.2.1: no PTO while nothing can be sent, and what is too little for a packet is nothing. */
  private onCreditChanged(): void {
    this.recovery.setAmplificationLimited(this.amplification.remaining < this.routes.current.leastBytes)
  }

  onPacketAcked(packet: SentPacket): void {
    if (!packet.isMtuProbe) this.mtu.onPacketAcked(packet.size)
    else if (this.mtu.onProbeAcked(packet.size)) this.recovery.setMaxDatagramSize(this.mtu.current)
  }

  onPacketLost(packet: SentPacket, nowMicros: number): void {
    if (packet.isEcnMarked) this.ecn.onLost(packet.timeSentMicros)
    if (packet.isMtuProbe) this.mtu.onProbeLost(packet.size, nowMicros)
    else if (this.mtu.onPacketLost(packet.size, packet.timeSentMicros, nowMicros))
      this.recovery.setMaxDatagramSize(this.mtu.current)
  }

  /** A PTO fired. */
  onProbeTimeout(nowMicros: number): void {
    this.ecn.onProbeTimeout()
    if (this.mtu.onProbeTimeout(this.recovery.ptoCount, nowMicros))
      this.recovery.setMaxDatagramSize(this.mtu.current)
  }

  /** The earliest moment at which something on this path is due. */
  deadline(): number {
    const { recovery, routes, localIds } = this
    let deadline = Math.min(recovery.deadlineMicros(), routes.deadlineMicros, localIds.deadlineMicros)
    if (this.maySend)
      for (const received of this.received) deadline = Math.min(deadline, received.ackDeadlineMicros)
    return deadline
  }
}
