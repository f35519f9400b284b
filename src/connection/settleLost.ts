import type { PacketBatch } from "../recovery/SentPacket.ts"
import type { ConnectionParts } from "./ConnectionParts.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"

/** Reports packets declared lost to the path and to the owners of their frames. RFC 9002 §6 */
export const settleLost = (
  parts: ConnectionParts,
  path: ConnectionPath,
  lost: PacketBatch,
  nowMicros: number
): void => {
  for (let i = 0; i < lost.length; i++) {
    path.onPacketLost(lost.items[i], nowMicros)
    parts.config.observer?.packetLost(lost.items[i], nowMicros)
    parts.frames.onLost(path, lost.items[i])
  }
}
