import { describe, it } from "vitest"
import { type Sweep, sweepOver } from "./sweep.ts"

/**
 * One test per operation. The first seed runs ready fibers in FIFO order, the others permute them;
 * `npm run sweep -- --full` has more seeds.
 */
export const itSweeps = (sweeps: ReadonlyArray<Sweep<never>>, seeds = 1): void => {
  describe("an interrupt at any step leaves nothing behind:", () => {
    for (const sweep of sweeps) it(sweep.name, () => sweepOver(sweep, { seeds }), 300_000)
  })
}
