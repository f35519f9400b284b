/** What a second path takes at one end while nothing is sent on it; sockets and fibers are not counted. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, it } from "vitest"
import { CorePair } from "../connection/CorePair.ts"
import { TwoPaths } from "../connection/TwoPaths.ts"

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

/** Finalizers that free native memory run between collections. */
const usedBytes = async (): Promise<number> => {
  for (let i = 0; i < 4; i++) {
    gc()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const count = 150

interface Ends {
  readonly pair: CorePair
  /** Lets both ends handle something on their first path. */
  readonly talk: () => void
}

/** Bytes that are free once what `make` returns has dropped its paths but the first, for each path and end. */
const bytesOfPath = async (make: () => Ends): Promise<number> => {
  for (let i = 0; i < 30; i++) make()
  const all = Array.from({ length: count }, make)
  const before = await usedBytes()
  let dropped = 0
  for (const { pair, talk } of all) {
    for (const end of [pair.client, pair.server!]) {
      for (const path of [...end.paths].slice(1)) {
        path.localIds.clear()
        end.paths.remove(path)
        dropped++
      }
      end.multipath.bond.update()
      end.multipath.order.update()
      pair.ends[end.config.role].routeIds(end)
      end.ping()
    }
    // what was handled last is kept until there is something else
    talk()
  }
  const after = await usedBytes()
  expect(all.every(({ pair }) => pair.client.paths.all.length === 1)).toBe(true)
  return (before - after) / dropped
}

it("a second path that is idle takes less than 12 kB", async () => {
  const bytes = await bytesOfPath(() => {
    const two = new TwoPaths()
    Object.assign(two, { second: undefined })
    const talk = () => {
      two.exchange()
      two.sent.length = 0
    }
    return { pair: two.pair, talk }
  })
  expect(bytes).toBeGreaterThan(4_000)
  expect(bytes).toBeLessThan(12_000)
}, 60_000)

it("a path that may be opened, and is not, takes less than 10 kB", async () => {
  const several = { maxPaths: 8 }
  const bytes = await bytesOfPath(() => {
    const pair = new CorePair({ client: several, server: several }).exchange().advance(1_050_000)
    return { pair, talk: () => pair.exchange() }
  })
  expect(bytes).toBeLessThan(10_000)
}, 60_000)
