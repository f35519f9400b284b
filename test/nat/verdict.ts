/** What is to hold for the figures of a cell, live and simulated. */
import type { Expectation } from "./matrix.ts"
import { bulkBytes, type CellFigures } from "./peers.ts"

/** What is wrong with them; undefined if nothing is. */
export const whyWrong = (figures: CellFigures, expected: Expectation): string | undefined => {
  const { outcome, relayedLater, firstByteVia } = figures
  if (firstByteVia !== "relay") return "the first byte did not come through the relay"
  if (expected !== "lucky" && outcome !== expected) return `${outcome}, and should be ${expected}`
  if (outcome === "direct" && relayedLater > bulkBytes / 5) return `${relayedLater} bytes were relayed later`
  if (outcome === "relayed" && relayedLater < 2 * bulkBytes) return `only ${relayedLater} bytes were relayed`
  return undefined
}
