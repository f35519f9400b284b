import { NewReno } from "../../src/recovery/NewReno.ts"
import { PathRecovery, type PathRecoveryConfig } from "../../src/recovery/PathRecovery.ts"
import type { PacketBatch, SentPacket } from "../../src/recovery/SentPacket.ts"
import { AckFrame } from "../../src/wire/AckFrame.ts"
import { Space } from "../../src/wire/PacketType.ts"

export const millis = 1_000

/** An ACK of inclusive ranges, highest first: `ackOf([7, 9], [2, 4])`. */
export const ackOf = (...ranges: ReadonlyArray<readonly [number, number]>): AckFrame => {
  const ack = new AckFrame()
  ack.largest = ranges[0][1]
  ack.rangeCount = ranges.length
  for (let i = 0; i < ranges.length; i++) {
    ack.smallest[i] = ranges[i][0]
    ack.largestOf[i] = ranges[i][1]
  }
  return ack
}

export const ackOfNumber = (number: number): AckFrame => ackOf([number, number])

/** A client with a confirmed handshake. */
export const confirmed = (config: Partial<PathRecoveryConfig> = {}): PathRecovery => {
  const recovery = new PathRecovery({
    isFirst: true,
    role: "client",
    congestion: (size) => new NewReno(size),
    maxDatagramSize: 1200,
    ...config
  })
  recovery.setPeerMaxAckDelay(25 * millis)
  recovery.onHandshakeConfirmed()
  return recovery
}

export interface SendOptions {
  readonly space?: Space
  readonly size?: number
  readonly ackEliciting?: boolean
  readonly inFlight?: boolean
}

/** Sends one packet and returns its number. */
export const send = (recovery: PathRecovery, nowMicros: number, options: SendOptions = {}): number => {
  const { ackEliciting = true, size = 1200, space = Space.Application } = options
  const packet = recovery.begin(space)
  const { packetNumber } = packet
  recovery.commit(packet, size, ackEliciting, options.inFlight ?? ackEliciting, nowMicros)
  return packetNumber
}

export const sendMany = (recovery: PathRecovery, nowMicros: number, count: number): void => {
  for (let i = 0; i < count; i++) send(recovery, nowMicros)
}

export const packetsOf = (batch: PacketBatch): Array<SentPacket> => batch.items.slice(0, batch.length)

export const numbersOf = (batch: PacketBatch): Array<number> =>
  packetsOf(batch).map((packet) => packet.packetNumber)

/** A seeded generator of [0, 1): mulberry32. */
export const seeded = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
