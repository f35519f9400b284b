import type { PacketBatch, SentPacket } from "../recovery/SentPacket.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { PacketObserver } from "./PacketObserver.ts"

/** Those who have to know of lost packets. */
export interface LossOwners {
  readonly config: { readonly observer: PacketObserver | undefined }
  readonly frames: { onLost(path: ConnectionPath, packet: SentPacket): void }
}

/** Reports packets declared lost to the path and to the owners of their frames. RFC 9002 §6 */
export const settleLost = (
  { config, frames }: LossOwners,
  path: ConnectionPath,
  lost: PacketBatch,
  nowMicros: number
): void => {
  for (let i = 0; i < lost.length; i++) {
    path.onPacketLost(lost.items[i], nowMicros)
    config.observer?.packetLost(lost.items[i], path.id, nowMicros)
    frames.onLost(path, lost.items[i])
  }
}
