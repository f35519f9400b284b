/** The shard that a connection ID names: the remainder of its first byte, which a kernel's filter can compute as well. */
import type { ShardNumber } from "../capability/Shard.ts"
import { Version } from "../wire/PacketType.ts"

/** Makes `id` name the shard, in place. What is left of the first byte is as unpredictable as it was. RFC 9000 §5.1 #1 */
export const inShard = (id: Uint8Array, shard: ShardNumber | undefined): Uint8Array => {
  if (shard === undefined) return id
  const named = id[0] - (id[0] % shard.count) + shard.index
  id[0] = named > 0xff ? named - shard.count : named
  return id
}

/**
 * The shard that the packet in `bytes` belongs to; undefined where its destination ID may be the client's choice: in
 * Initials and 0-RTT packets, and in unknown versions. Nothing but a guess until the packet is authenticated.
 */
export const shardOfPacket = (bytes: Uint8Array, count: number): number | undefined => {
  if (bytes.length < 7) return undefined
  const isLong = (bytes[0] & 0x80) !== 0
  if (!isLong) return bytes[1] % count
  if (bytes[5] === 0 || !isHandshake(bytes)) return undefined
  return bytes[6] % count
}

/** RFC 9000 §17.2, RFC 9369 §3.2 */
const isHandshake = (bytes: Uint8Array): boolean => {
  const version = ((bytes[1] << 24) | (bytes[2] << 16) | (bytes[3] << 8) | bytes[4]) >>> 0
  const type = (bytes[0] & 0x30) >> 4
  return (version === Version.v1 && type === 2) || (version === Version.v2 && type === 3)
}
