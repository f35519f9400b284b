import type { PacketBatch } from "./SentPacket.ts"

/** kPersistentCongestionThreshold, RFC 9002 §7.6.1 #S1 */
const persistentCongestionThreshold = 3

/**
 * Whether two `lost` packets, both ack-eliciting and sent after `afterMicros`, were sent more than three PTOs
 * apart with no packet in between acknowledged. RFC 9002 §7.6.2 #1. `lost` is in order of sending.
 *
 * `afterMicros` is the later of the first RTT sample and the time the newest acknowledged packet of any space was sent
 * (RFC 9002 §7.6.2 #S1 #S2). All packets acknowledged before this ACK were sent by then, so only those of this ACK can
 * lie in between.
 */
export const isPersistentCongestion = (
  lost: PacketBatch,
  acked: PacketBatch,
  afterMicros: number,
  ptoMicros: number
): boolean => {
  const durationMicros = ptoMicros * persistentCongestionThreshold
  if (lost.length < 2) return false
  // Fast path: losses are almost always closer together than three PTOs.
  if (lost.items[lost.length - 1].timeSentMicros - lost.items[0].timeSentMicros <= durationMicros)
    return false
  let startMicros = Number.POSITIVE_INFINITY
  for (let i = 0; i < lost.length; i++) {
    const packet = lost.items[i]
    if (!packet.ackEliciting || packet.timeSentMicros <= afterMicros) continue
    if (
      startMicros === Number.POSITIVE_INFINITY ||
      anySentBetween(acked, startMicros, packet.timeSentMicros)
    ) {
      startMicros = packet.timeSentMicros
    } else if (packet.timeSentMicros - startMicros > durationMicros) {
      return true
    }
  }
  return false
}

const anySentBetween = (acked: PacketBatch, fromMicros: number, toMicros: number): boolean => {
  for (let i = 0; i < acked.length; i++) {
    const sent = acked.items[i].timeSentMicros
    if (sent > fromMicros && sent < toMicros) return true
  }
  return false
}
