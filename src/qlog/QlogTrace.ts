import type { Role } from "../wire/Role.ts"
import type { QlogShape } from "../capability/Qlog.ts"
import type { Connection, ConnectionObserver } from "../connection/Connection.ts"
import type { DropReason, PlainPacket } from "../connection/PacketObserver.ts"
import type { PhaseChange } from "../nat/phases.ts"
import type { MigrationEntry, QlogPointer } from "../connection/MigrationEntry.ts"
import type { SentPacket } from "../recovery/SentPacket.ts"
import { Level, PacketType, Space } from "../wire/PacketType.ts"
import { hexadecimal } from "../internal/hexadecimal.ts"
import { printableJson } from "../internal/printable.ts"
import { migrationEvents } from "./migrationEvents.ts"
import { QlogFrames } from "./QlogFrames.ts"
import { pathField } from "./QlogPaths.ts"
import { QlogSnapshot } from "./QlogSnapshot.ts"
import { AEAD_TAG_BYTES } from "../protect/CipherSuite.ts"

const RECORD_SEPARATOR = "\u001e"
/** Records are flushed in chunks of about this size, and when the connection state changes. */
const CHUNK_CHARACTERS = 32_768

const packetTypes: { readonly [T in PacketType]: string } = {
  [PacketType.Initial]: "initial",
  [PacketType.ZeroRtt]: "0RTT",
  [PacketType.Handshake]: "handshake",
  [PacketType.OneRtt]: "1RTT",
  [PacketType.Retry]: "retry",
  [PacketType.VersionNegotiation]: "version_negotiation"
}

const typesOfSpace: { readonly [S in Space]: string } = {
  [Space.Initial]: "initial",
  [Space.Handshake]: "handshake",
  [Space.Application]: "1RTT"
}

/** Of the events of NAT traversal, which the schemas of QUIC do not have. */
const NAT_SCHEMA = "urn:effect-quic:qlog:events:nat"

/**
 * Writes the events of a connection as qlog: a header, then one record per event. draft-ietf-quic-qlog-main-schema §5,
 * draft-ietf-quic-qlog-quic-events
 */
export class QlogTrace implements ConnectionObserver {
  private readonly open: () => (records: string) => void
  private readonly name: string
  private readonly header: string
  private readonly startMicros: number
  private readonly frames = new QlogFrames()
  private readonly snapshot: QlogSnapshot
  private write: ((records: string) => void) | undefined = undefined
  private pending = ""
  private lastMicros: number
  /** How many were logged. */
  private events = 0
  /** ack_delay_exponent of both sides. RFC 9000 §19.3 */
  private ourExponent = 3
  private theirExponent = 3

  /** `open` is called at the first event to log, so that attempts that never become a connection leave no file. */
  constructor(
    role: Role,
    originalDestination: Uint8Array,
    nowMicros: number,
    unixMillis: number,
    open: QlogShape
  ) {
    const id = hexadecimal(originalDestination)
    this.name = `${id}_${role}`
    this.open = () => open(this.name)
    this.startMicros = this.lastMicros = nowMicros
    this.snapshot = new QlogSnapshot(role, (name, data) => this.event(name, data, this.lastMicros))
    this.header = record({
      file_schema: "urn:ietf:params:qlog:file:sequential",
      serialization_format: "application/qlog+json-seq",
      // of the drafts before: without these two qvis loads no file
      qlog_version: "0.3",
      qlog_format: "JSON-SEQ",
      title: "effect-quic",
      trace: {
        event_schemas: ["urn:ietf:params:qlog:events:quic-13", NAT_SCHEMA],
        vantage_point: { type: role },
        common_fields: {
          group_id: id,
          time_format: "relative_to_epoch",
          reference_time: {
            clock_type: "monotonic",
            epoch: "unknown",
            wall_clock_time: new Date(unixMillis).toISOString()
          }
        }
      }
    })
  }

  packetSent(sent: PlainPacket, isMtuProbe: boolean, nowMicros: number): void {
    const packet = this.packet(sent, this.ourExponent)
    this.event("quic:packet_sent", { ...packet, ...(isMtuProbe && { is_mtu_probe_packet: true }) }, nowMicros)
  }

  packetReceived(received: PlainPacket, nowMicros: number): void {
    this.event("quic:packet_received", this.packet(received, this.theirExponent), nowMicros)
  }

  packetDropped(
    type: PacketType,
    length: number,
    trigger: DropReason,
    why: string | undefined,
    nowMicros: number
  ): void {
    // a log starts with the first authenticated packet, as anyone can send anything
    if (this.write === undefined) return
    this.event(
      "quic:packet_dropped",
      {
        header: { packet_type: packetTypes[type] },
        raw: { length },
        ...(why !== undefined && { details: { reason: why } }),
        trigger
      },
      nowMicros
    )
  }

  packetLost(packet: SentPacket, pathId: number, nowMicros: number): void {
    this.event(
      "quic:packet_lost",
      {
        header: {
          packet_type: typesOfSpace[packet.space],
          packet_number: packet.packetNumber,
          ...pathField(pathId)
        },
        ...(packet.isMtuProbe && { is_mtu_probe_packet: true })
      },
      nowMicros
    )
  }

  traversed({ from, to, reason, round, atMicros }: PhaseChange): void {
    if (this.write === undefined) return
    this.event("nat:phase_updated", { old: from, new: to, trigger: reason, round }, atMicros)
  }

  traced(entry: Omit<MigrationEntry, "qlog">, isInUse: boolean, nowMicros: number): QlogPointer | undefined {
    // a server's log starts with the first packet
    if (this.write === undefined) return undefined
    for (const [name, data] of migrationEvents(entry, isInUse)) this.event(`quic:${name}`, data, nowMicros)
    return { log: this.name, event: this.events - 1, timeMillis: this.timeMillis }
  }

  stepped(connection: Connection, nowMicros: number): void {
    if (this.write === undefined && connection.config.role === "server") return
    if (nowMicros > this.lastMicros) this.lastMicros = nowMicros
    this.ourExponent = connection.config.transport.ackDelayExponent
    this.theirExponent = connection.handshake.peerParameters?.ackDelayExponent ?? 3
    if (this.snapshot.compare(connection)) this.flush()
  }

  private packet(packet: PlainPacket, ackDelayExponent: number) {
    const { bytes, start, packetNumberOffset, packetNumberLength, payloadEnd, level } = packet
    const payloadStart = packetNumberOffset + packetNumberLength
    const end = payloadEnd + AEAD_TAG_BYTES
    const header = {
      packet_type: packetTypes[level],
      packet_number: packet.packetNumber,
      packet_number_length: packetNumberLength,
      ...pathField(packet.pathId),
      ...(level === Level.OneRtt
        ? shortFields(bytes, start, packetNumberOffset)
        : longFields(bytes, start, end - packetNumberOffset))
    }
    return {
      header,
      frames: this.frames.decode(bytes, payloadStart, payloadEnd, level, ackDelayExponent),
      raw: { length: end - start, payload_length: payloadEnd - payloadStart }
    }
  }

  private event(name: string, data: object, nowMicros: number): void {
    if (nowMicros > this.lastMicros) this.lastMicros = nowMicros
    if (this.write === undefined) {
      this.write = this.open()
      this.pending = this.header
    }
    this.events++
    this.pending += record({ time: this.timeMillis, name, data })
    if (this.pending.length > CHUNK_CHARACTERS) this.flush()
  }

  private get timeMillis(): number {
    return Math.round(this.lastMicros - this.startMicros) / 1000
  }

  private flush(): void {
    if (this.pending === "") return
    this.write!(this.pending)
    this.pending = ""
  }
}

/** RFC 7464 */
const record = (value: object): string => `${RECORD_SEPARATOR}${printableJson(value)}\n`

const shortFields = (bytes: Uint8Array, start: number, packetNumberOffset: number) => ({
  spin_bit: (bytes[start] & 0x20) !== 0,
  key_phase_bit: (bytes[start] & 0x04) !== 0,
  dcid: hexadecimal(bytes, start + 1, packetNumberOffset)
})

const longFields = (bytes: Uint8Array, start: number, length: number) => {
  const dcidStart = start + 6
  const dcidEnd = dcidStart + bytes[start + 5]
  const scidEnd = dcidEnd + 1 + bytes[dcidEnd]
  return {
    version: hexadecimal(bytes, start + 1, start + 5),
    dcil: bytes[start + 5],
    dcid: hexadecimal(bytes, dcidStart, dcidEnd),
    scil: bytes[dcidEnd],
    scid: hexadecimal(bytes, dcidEnd + 1, scidEnd),
    length
  }
}
