/**
 * Records of sent packets, used again by all paths of all connections: each lives for a round trip, long enough for the
 * garbage collector to move it twice, and an idle connection needs none.
 */
import { SentPacket } from "./SentPacket.ts"

/** Kept at most: a window of 6 MB in full packets. */
export const MAX_SPARE_RECORDS = 4096

const spare: Array<SentPacket> = []

/** A record, whatever it was used for before. */
export const takeRecord = (): SentPacket => spare.pop() ?? new SentPacket()

/** Nobody may refer to `record` any more. */
export const returnRecord = (record: SentPacket): void => {
  if (spare.length < MAX_SPARE_RECORDS) spare.push(record)
}

/** How many are kept. */
export const spareRecords = (): number => spare.length
