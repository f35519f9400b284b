import { PacketState, type SentPacket } from "../recovery/SentPacket.ts"
import { SentFrame } from "../recovery/SentFrames.ts"
import type { Level } from "../wire/PacketType.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"

/**
 * Tells every frame's owner what became of it. A lost frame is not sent again as it was: its owner looks at what is
 * still worth saying. RFC 9000 §13.3
 *
 * Not acknowledged, but still outstanding, is a packet whose frames a probe is to carry again: what is never sent
 * twice is then left alone, as the packet may arrive yet. RFC 9002 §6.2.4
 */
export const settleSentFrames = (
  parts: ConnectionParts,
  path: ConnectionPath,
  packet: SentPacket,
  acked: boolean
): void => {
  const { values, length } = packet.frames
  for (let i = 0; i < length; i += 4) {
    const kind = values[i] as SentFrame
    const a = values[i + 1]
    const b = values[i + 2]
    const c = values[i + 3]
    switch (kind) {
      case SentFrame.Crypto:
        if (acked) parts.crypto.onAcked(a as Level, b, c)
        else parts.crypto.onLost(a as Level, b, c)
        break
      case SentFrame.HandshakeDone:
        // RFC 9000 §13.3 #2
        if (!acked) parts.handshakeDonePending = true
        break
      case SentFrame.NewConnectionId: {
        const ids = parts.paths.byId(a)?.localIds
        if (acked) ids?.onAcked(b)
        else ids?.onLost(b)
        break
      }
      case SentFrame.RetireConnectionId: {
        const ids = parts.paths.byId(a)?.peerIds
        if (acked) ids?.onAcked(b)
        else ids?.onLost(b)
        break
      }
      case SentFrame.Ack:
        if (acked) path.received[b as 0 | 1 | 2].onAckOfAck(c)
        break
      case SentFrame.Datagram:
        if (acked) parts.datagrams.onAcked(a)
        else if (packet.state === PacketState.Lost) parts.datagrams.onLost(a)
        break
      case SentFrame.NewToken:
        if (acked) parts.tokenOffer.onAcked(a)
        else parts.tokenOffer.onLost(a)
        break
      case SentFrame.AckFrequency:
        if (acked) path.onAckRequestAcked(a)
        else path.ackFrequency.onLost(a)
        break
      case SentFrame.Ping:
        break
      default:
        if (acked) parts.streams.onAcked(kind, a, b, c)
        else parts.streams.onLost(kind, a, b, c)
    }
  }
}
