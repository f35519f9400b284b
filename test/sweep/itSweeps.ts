import { describe, it } from "vitest"
import { type Sweep, sweepOver } from "./sweep.ts"

/**
 * A test for each operation: with one seed in the order in which fibers become ready, with others in an order of their
 * own. `npm run sweep -- --full` has more.
 */
export const itSweeps = (sweeps: ReadonlyArray<Sweep<never>>, seeds = 1): void => {
  describe("an interrupt at any step leaves nothing behind:", () => {
    for (const sweep of sweeps) it(sweep.name, () => sweepOver(sweep, { seeds }), 300_000)
  })
}
