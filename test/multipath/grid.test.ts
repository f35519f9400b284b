/** D4: a few cells of the grid that `npm run bench -- --only schedulers` measures, of links as unlike as they get. */
import { beforeAll, describe, expect, it } from "vitest"
import {
  type Cell,
  type CellOptions,
  measureCell,
  type SchedulerName,
  schedulers
} from "../bench/grid/cell.ts"

const unlike: CellOptions = {
  scheduler: undefined,
  rttRatio: 10,
  rateRatio: 5,
  lossRate: 0,
  congestion: "cubic",
  seed: 0
}

describe("D4: beside a link of ten times the round-trip time and a fifth of the rate", () => {
  let alone: Cell
  beforeAll(async () => {
    alone = await measureCell(unlike)
  }, 60_000)

  for (const scheduler of Object.keys(schedulers) as ReadonlyArray<SchedulerName>)
    it(`${scheduler} carries more than the better link alone, and delays nothing that prefers it`, async () => {
      const { bitsPerSecond, share, hintedMillis } = await measureCell({ ...unlike, scheduler })
      expect(bitsPerSecond).toBeGreaterThan(1.05 * alone.bitsPerSecond)
      expect(share).toBeGreaterThan(0.9)
      expect(hintedMillis).toBeLessThan(1.2 * alone.messageMillis)
    })
})
