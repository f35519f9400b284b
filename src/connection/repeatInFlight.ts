import { Space } from "../wire/PacketType.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { FrameOwners } from "./FrameOwners.ts"

const spaces = [Space.Initial, Space.Handshake, Space.Application] as const
/** As many as a probe timeout sends. */
const PACKETS = 2

/**
 * Schedules the frames of the oldest packets in flight for retransmission, for probes without new data. Covers every
 * space, not only the one whose timer fired: the peer may have the keys of only one. RFC 9002 §6.2.4 #S1
 */
export const repeatInFlight = (frames: FrameOwners, path: ConnectionPath): void => {
  for (const space of spaces) {
    let packet = path.recovery.oldestOutstanding(space)
    for (let i = 0; i < PACKETS && packet !== undefined; i++, packet = packet.next)
      frames.onLost(path, packet)
  }
}
