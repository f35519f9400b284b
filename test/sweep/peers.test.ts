import { describe, it } from "vitest"
import { peerSweeps } from "./peers.ts"
import { sweepOver } from "./sweep.ts"

describe("an interrupt at any step leaves nothing behind", () => {
  for (const sweep of peerSweeps) it(sweep.name, () => sweepOver(sweep, { seeds: 1 }))
})
