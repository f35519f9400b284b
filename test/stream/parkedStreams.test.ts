import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "vitest"
import { StreamSet } from "../../src/stream/StreamSet.ts"
import { connect, exchange, limits, pattern } from "./streamPair.ts"

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

const usedBytes = (): number => {
  gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe("a hundred thousand idle streams", () => {
  const count = 100_000
  const roomy = limits({ initialMaxStreamsBidi: count + 10 })

  it("cost less than a kilobyte each, both directions included", () => {
    const before = usedBytes()
    const streams = new StreamSet("client", roomy)
    streams.applyPeerLimits(roomy)
    for (let i = 0; i < count; i++) streams.open(false)
    expect((usedBytes() - before) / count).toBeLessThan(1024)
    expect(streams.stats().open).toBe(count)
  })

  it("are opened by one frame, and do not slow down active ones", () => {
    const pair = connect(roomy, roomy)
    const { client, server } = pair
    for (let i = 0; i < count; i++) client.streams.open(false)
    const last = 4 * (count - 1)
    client.streams.write(last, pattern(last, 0, 10))
    exchange(pair)
    expect(server.streams.stats().open).toBe(count)
    // would not finish if every look for pending data visited every stream
    for (let i = 1; i <= 5000; i++) {
      client.streams.write(last, pattern(last, 10 * i, 10))
      exchange(pair)
      server.streams.read(last, 100)
    }
    expect(client.streams.hasFrames()).toBe(false)
  })
})
