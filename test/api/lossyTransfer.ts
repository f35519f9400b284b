import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import { transfer } from "./badNetwork.ts"

const SEEDS = 100

/** Every `of`-th of the hundred seeds, in separate files that vitest runs in parallel. */
export const lossyTransfers = (shard: number, of: number): void => {
  describe(`10 MB over 5 % loss each way, with reordering, duplication and corruption (${shard + 1} of ${of})`, () => {
    for (let n = shard; n < SEEDS; n += of)
      it(`arrives intact with seed ${n}`, async () => {
        const { exit } = await transfer(`lossy ${n}`)
        expect(exit).toEqual(Exit.succeed(true))
      })
  })
}
