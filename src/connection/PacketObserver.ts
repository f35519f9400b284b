import type { SentPacket } from "../recovery/SentPacket.ts"
import type { MigrationEntry, QlogPointer } from "./MigrationEntry.ts"
import type { PhaseChange } from "../nat/phases.ts"
import type { Level, PacketType } from "../wire/PacketType.ts"

/** Why a received packet had no effect. */
export type DropReason = "rejected" | "invalid" | "duplicate" | "decryption_failure" | "key_unavailable"

/**
 * A packet without protection: header from `start`, frames in `[packetNumberOffset + packetNumberLength, payloadEnd)`.
 */
export interface PlainPacket {
  readonly bytes: Uint8Array
  readonly start: number
  readonly packetNumberOffset: number
  readonly packetNumberLength: number
  readonly payloadEnd: number
  readonly level: Level
  readonly packetNumber: number
  /** The path it is numbered on. */
  readonly pathId: number
}

/** Observes packets, for logs. Packets are reused records: copy what you keep. */
export interface PacketObserver {
  /** About to be sealed. */
  packetSent(packet: PlainPacket, isMtuProbe: boolean, nowMicros: number): void
  /** Authentic and accepted. */
  packetReceived(packet: PlainPacket, nowMicros: number): void
  /** `why` completes the sentence "discarded was a packet …". */
  packetDropped(
    type: PacketType,
    bytes: number,
    reason: DropReason,
    why: string | undefined,
    nowMicros: number
  ): void
  packetLost(packet: SentPacket, pathId: number, nowMicros: number): void
  /** A traversal of NATs has come to another phase. */
  traversed(change: PhaseChange): void
  /** A step of a migration, or a key update; `isInUse`: the connection uses `entry.to` already. Returns where it is logged. */
  traced(entry: Omit<MigrationEntry, "qlog">, isInUse: boolean, nowMicros: number): QlogPointer | undefined
}
