import { describe, it } from "vitest"
import { type Sweep, sweepOver } from "./sweep.ts"

/** A test for each operation: with one seed, in the order in which fibers become ready. `npm run sweep` does more. */
export const itSweeps = (sweeps: ReadonlyArray<Sweep<never>>): void => {
  describe("an interrupt at any step leaves nothing behind:", () => {
    for (const sweep of sweeps) it(sweep.name, () => sweepOver(sweep, { seeds: 1 }), 300_000)
  })
}
