import type { SentPacket } from "../recovery/SentPacket.ts"
import type { Level, PacketType } from "../wire/PacketType.ts"
import type { Connection } from "./Connection.ts"

/** Why a received packet had no effect. */
export type DropReason = "rejected" | "invalid" | "duplicate" | "decryption_failure" | "key_unavailable"

/**
 * Somebody who watches a connection and has no influence on it: a log. Everything that happens to packets is told when
 * it happens; the rest is to be seen in the connection after each step.
 */
export interface ConnectionObserver {
  /** A packet in plain text, about to be sealed: header from `start`, frames in `[numberOffset + numberLength, payloadEnd)`. */
  packetSent(
    bytes: Uint8Array,
    start: number,
    numberOffset: number,
    numberLength: number,
    payloadEnd: number,
    level: Level,
    packetNumber: number,
    isMtuProbe: boolean,
    nowMicros: number
  ): void
  /** An authentic packet that is taken, in plain text. */
  packetReceived(
    bytes: Uint8Array,
    start: number,
    numberOffset: number,
    numberLength: number,
    payloadEnd: number,
    level: Level,
    packetNumber: number,
    nowMicros: number
  ): void
  /** `why` completes the sentence "discarded was a packet …". */
  packetDropped(
    type: PacketType,
    bytes: number,
    reason: DropReason,
    why: string | undefined,
    nowMicros: number
  ): void
  packetLost(packet: SentPacket, nowMicros: number): void
  /** A datagram, a deadline, a verdict or a command has been dealt with. */
  stepped(connection: Connection, nowMicros: number): void
}
