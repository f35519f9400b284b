import type { PacketBatch } from "./SentPacket.ts"

/**
 * Whether two of the `lost` packets, both ack-eliciting and sent after `afterMicros`, are more than `durationMicros`
 * apart with nothing acknowledged in between. RFC 9002 §7.6.2 #1. `lost` is in order of sending.
 *
 * What was acknowledged before this ACK was sent at `afterMicros` or earlier (the caller passes the later of the
 * first RTT sample and the newest acknowledged packet's departure, of any space: RFC 9002 §7.6.2 #S1 #S2), so only this
 * ACK's own packets can lie between.
 */
export const spansPersistentCongestion = (
  lost: PacketBatch,
  acked: PacketBatch,
  afterMicros: number,
  durationMicros: number
): boolean => {
  if (lost.length < 2) return false
  // Almost every batch ends here: its losses are closer together than three probe timeouts.
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
