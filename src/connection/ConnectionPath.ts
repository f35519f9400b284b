import type { ConnectionIdError } from "../path/connectionIdErrors.ts"
import type { AntiAmplification } from "../path/AntiAmplification.ts"
import { EcnValidator } from "../path/EcnValidator.ts"
import { LocalConnectionIds } from "../path/LocalConnectionIds.ts"
import { MtuDiscovery } from "../path/MtuDiscovery.ts"
import type { PathValidator } from "../path/PathValidator.ts"
import { PathStatus } from "../path/PathStatus.ts"
import { PeerConnectionIds } from "../path/PeerConnectionIds.ts"
import { Route, type SocketNumber } from "../path/Route.ts"
import { AckFrequency } from "../recovery/AckFrequency.ts"
import { type CoupledGrowth, uncoupled } from "../recovery/CongestionController.ts"
import { congestionControllers } from "../recovery/congestionControllers.ts"
import { PathRecovery } from "../recovery/PathRecovery.ts"
import { nothingReceived, ReceivedPackets } from "../recovery/ReceivedPackets.ts"
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

/** How many IDs the peer may store, and how many unused ones it gets: enough for two migrations at once. */
const MAX_IDS = 8
const SPARE_IDS = 2
/** Overhead of a packet with a DATAGRAM frame: short header with the longest ID and packet number, and the tag. */
const PACKET_OVERHEAD = 1 + 20 + 4 + 16

/** Totals of one path in UDP payloads. */
export interface PathTraffic {
  bytesSent: number
  bytesReceived: number
  datagramsSent: number
  datagramsReceived: number
}

/** The initial route and connection IDs of a path. */
export interface PathSetup {
  /** The same in both directions; 0 is the path created by the handshake. draft-ietf-quic-multipath */
  readonly id: number
  readonly remote: SocketAddress
  /** The local socket it uses. */
  readonly socket: SocketNumber
  /** The peer's address is validated, or need not be. RFC 9000 §8.1 */
  readonly addressValidated: boolean
  /** The IDs from the handshake; without them the path has none until both sides have issued some for it. */
  readonly ids?: {
    readonly local: Uint8Array
    readonly peer: Uint8Array
    /** server: the DCID of the client's Initial, which it uses until it knows `local`. RFC 9000 §7.2 */
    readonly initialDestination: Uint8Array | undefined
  }
}

/**
 * Everything that belongs to one path: its packet-number spaces, connection IDs, round-trip time, congestion window,
 * datagram size and validation. Single-path QUIC has path 0 and no other.
 */
export class ConnectionPath {
  readonly id: number
  /** Its pairs of addresses: it can migrate from one to another. */
  readonly routes: RouteSet
  /** Set when the path is added to a connection. */
  migration!: Migration
  readonly recovery: PathRecovery
  readonly received: [ReceivedPackets, ReceivedPackets, ReceivedPackets]
  readonly localIds: LocalConnectionIds
  readonly peerIds: PeerConnectionIds
  mtu: MtuDiscovery
  readonly ecn: EcnValidator
  readonly ackFrequency: AckFrequency
  readonly phaseMarks = new PhaseMarks()
  /** Probe packets due per space; they do not wait for the congestion window. */
  readonly probes: [number, number, number] = [0, 0, 0]
  /** When its connection IDs are due to change. */
  readonly rotation: IdRotation
  readonly traffic: PathTraffic = { bytesSent: 0, bytesReceived: 0, datagramsSent: 0, datagramsReceived: 0 }
  /** The 1-RTT packet numbers left unused. */
  readonly skipped: SkippedNumbers
  readonly status: PathStatus

  /** `coupled`: all paths of the connection. */
  constructor(
    config: ConnectionConfig,
    setup: PathSetup,
    nowMicros: number,
    coupled: CoupledGrowth = uncoupled
  ) {
    const { transport, role } = config
    this.id = setup.id
    this.status = new PathStatus(setup.ids === undefined ? "created" : "active")
    this.recovery = new PathRecovery({
      role,
      isFirst: this.id === 0,
      congestion: congestionControllers[transport.congestion],
      coupled,
      maxDatagramSize: transport.initialDatagramBytes,
      initialRttMicros: transport.initialRttMillis * 1000
    })
    this.ackFrequency = new AckFrequency(this.recovery)
    const maxAckDelayMicros = ackTimerMicros(transport)
    const [initial, handshake] =
      this.id === 0
        ? [new ReceivedPackets(Space.Initial), new ReceivedPackets(Space.Handshake)]
        : [nothingReceived, nothingReceived]
    this.received = [initial, handshake, new ReceivedPackets(Space.Application, maxAckDelayMicros)]
    this.localIds = new LocalConnectionIds({
      pathId: this.id,
      length: config.connectionIdBytes,
      makeCid: config.makeConnectionId,
      makeToken: config.makeResetToken,
      firstCid: setup.ids?.local,
      initialDestination: setup.ids?.initialDestination,
      limitOurs: MAX_IDS,
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

  /** Its first packets are sent or received, on this route. */
  begin(route: Route, peer: TransportParameters, nowMicros: number): void {
    this.routes.begin(route)
    this.onPeerParameters(peer)
    this.onHandshakeConfirmed()
    this.rotation.restart(0, nowMicros)
    this.ecn.start(nowMicros, this.recovery.ptoMicros())
    this.onCreditChanged()
  }

  onHandshakeConfirmed(): void {
    this.recovery.onHandshakeConfirmed()
    this.mtu.start()
  }

  /**
   * The current route was replaced. Measurements of the old one no longer apply, unless only the peer's port changed,
   * which is a NAT rebinding. RFC 9000 §9.4 #2
   */
  onMoved(before: Route, nowMicros: number): void {
    const { current } = this.routes
    if (before.socket !== current.socket || before.remote.host !== current.remote.host) {
      this.mtu = this.mtu.renewed()
      this.mtu.start()
      this.recovery.setMaxDatagramSize(this.mtu.current)
      this.recovery.resetForMigration(nowMicros)
    }
    // RFC 9000 §13.4.2: ECN is validated again on a new path
    this.ecn.start(nowMicros, this.recovery.ptoMicros())
    this.onCreditChanged()
  }

  /** Whether new connection IDs are due, in both directions. RFC 9000 §5.1, §9.5 */
  isRotationDue(nowMicros: number): boolean {
    return this.rotation.isDue(this.recovery.counters.packetsSent, nowMicros)
  }

  /** What keeps the connection IDs of either direction that has any from being changed now. RFC 9000 §5.1.2 */
  get rotationRefusal(): ConnectionIdError | undefined {
    const { localIds, peerIds } = this
    const local = localIds.rotationRefusal(1)
    if (peerIds.isZeroLength) return local
    return (localIds.isZeroLength ? undefined : local) ?? peerIds.nextRefusal
  }

  /** Changes the connection IDs of both directions, as far as the peer has provided spare ones. RFC 9000 §5.1.2 */
  rotateIds(nowMicros: number): void {
    this.routes.renewId()
    this.localIds.rotate(1)
    this.rotation.restart(this.recovery.counters.packetsSent, nowMicros)
  }

  /** False without a connection ID to send to, and at the anti-amplification limit. */
  get maySend(): boolean {
    return (
      this.status.isOpen &&
      this.peerIds.usable &&
      this.amplification.remaining >= this.routes.current.leastBytes
    )
  }

  /** Whether an ack-eliciting Initial can be padded as required. RFC 9000 §14.1 #2 */
  get canPadInitial(): boolean {
    return this.amplification.remaining >= MINIMUM_DATAGRAM_BYTES
  }

  /** The size limit of the next datagram, at most `room`. RFC 9000 §14.1 #4, §14.2 #S3 */
  sendLimit(room: number): number {
    const most = this.isSmallProbeDue ? MINIMUM_DATAGRAM_BYTES : this.mtu.nextBytes
    return Math.min(room, most, this.amplification.remaining)
  }

  /**
   * The last probe of a PTO is small: it gets through on a path that drops large datagrams, and its arrival tells that
   * apart from loss. RFC 8899 §4.3
   */
  private get isSmallProbeDue(): boolean {
    return this.probes[Space.Application] === 1 && this.recovery.ptoCount >= 1
  }

  /** Whether congestion control allows a full datagram of ack-eliciting frames now. */
  mayElicit(nowMicros: number): boolean {
    return this.recovery.sendQuota(nowMicros) > 0
  }

  /** An ACK has been processed. */
  onMeasured(): void {
    const { recovery, mtu, validator } = this
    if (validator.state === "validating") validator.onMeasured(recovery.ptoMicros())
    // draft-ietf-quic-ack-frequency §9.1.1: slow start depends on frequent ACKs
    if (recovery.congestion.slowStartThreshold === Number.POSITIVE_INFINITY) return
    const window = recovery.congestionWindow / mtu.current
    this.ackFrequency.onMeasured(window, recovery.rtt.smoothedMicros, recovery.packetThreshold)
  }

  /** The largest frame that fits into a packet on this path. */
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

  /** RFC 9002 §6.2.2.1: no PTO while the anti-amplification limit allows no packet. */
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

  /** The PTO expired. */
  onProbeTimeout(nowMicros: number): void {
    this.ecn.onProbeTimeout()
    if (this.mtu.onProbeTimeout(this.recovery.ptoCount, nowMicros))
      this.recovery.setMaxDatagramSize(this.mtu.current)
  }

  /** The earliest deadline of this path. */
  deadline(): number {
    const { recovery, localIds, status } = this
    if (status.state === "created") return Number.POSITIVE_INFINITY
    const deadline = Math.min(
      recovery.deadlineMicros(),
      this.migration.deadlineMicros,
      localIds.deadlineMicros,
      status.removeAtMicros
    )
    return this.maySend ? Math.min(deadline, this.ackDeadlineMicros) : deadline
  }

  /** When an acknowledgment is due. */
  get ackDeadlineMicros(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const received of this.received) deadline = Math.min(deadline, received.ackDeadlineMicros)
    return deadline
  }
}
