/** What is to hold for the figures of a cell, live and simulated. */
import type { Expectation } from "./matrix.ts"
import { bulkBytes, type CellFigures } from "./peers.ts"

/**
 * Of what goes each way once it is direct. Where packets are lost, a flight that is lost as a whole cannot be told from the
 * death of the path: until the next answer a side entrusts a window, ten packets, to the relay. Losses leave windows of two
 * packets, so that this happens several times in a transfer; but one side that never uses the path is a fault.
 */
const mostRelayed = (lossRate: number): number => (lossRate === 0 ? bulkBytes / 5 : bulkBytes)

/** What is wrong with them; undefined if nothing is. */
export const whyWrong = (figures: CellFigures, expected: Expectation, lossRate = 0): string | undefined => {
  const { outcome, relayedLater, firstByteVia } = figures
  // what the relay has lost may come directly meanwhile
  if (firstByteVia !== "relay" && lossRate === 0) return "the first byte did not come through the relay"
  if (expected !== "lucky" && outcome !== expected) return `${outcome}, and should be ${expected}`
  if (outcome === "direct" && relayedLater > mostRelayed(lossRate))
    return `${relayedLater} bytes were relayed later`
  if (outcome === "relayed" && relayedLater < 2 * bulkBytes) return `only ${relayedLater} bytes were relayed`
  return undefined
}
