/**
 * A path that begins to swallow large datagrams in mid-transfer, and says nothing. It once took three probe timeouts for
 * each piece of evidence: 9 seconds where a tenth of the packets was lost anyway.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { expect } from "vitest"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import type { LinkConditions } from "../../layers/sim/linkConditions.ts"
import { pair } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { LiveCryptoSuite } from "../io.ts"

const CHUNK = 50_000

/** A download of `size` bytes; the longest time without a byte after half of it, when the path has become narrower. */
const stallMillis = (size: number, settings: Partial<LinkConditions>) =>
  Effect.gen(function* () {
    const network = yield* SimNetwork
    const client = network.host("client", "10.0.0.1")
    const server = network.host("server", "10.0.0.2")
    const cable = network.connect(client, server, { ...settings, name: "cable" })
    const { near, far } = yield* pair({
      client: { host: "10.0.0.1", layer: Layer.merge(client.layer, LiveCryptoSuite.layer) },
      server: { host: "10.0.0.2", layer: Layer.merge(server.layer, LiveCryptoSuite.layer) },
      cable,
      clientHost: client
    })
    const stream = yield* near.openBidi
    yield* stream.write(new Uint8Array(1))
    const incoming = yield* far.acceptBidi
    const serve = Effect.gen(function* () {
      for (let sent = 0; sent < size; sent += CHUNK) yield* incoming.write(new Uint8Array(CHUNK))
      yield* incoming.finish
    })
    yield* Effect.forkScoped(serve)
    let received = 0
    let longest = 0
    let last = 0
    for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read()) {
      const now = yield* Clock.currentTimeMillis
      received += bytes.length
      if (last > 0) longest = Math.max(longest, now - last)
      if (last === 0 && received < size / 2) continue
      if (last === 0) {
        expect(far.stats.datagramBytes).toBe(1452)
        cable.set({ mtu: 1280, tooLarge: "drop" })
      }
      last = now
    }
    expect(received).toBe(size)
    expect(far.stats.datagramBytes).toBeLessThanOrEqual(1280 - 28)
    return longest
  })

const paths = {
  "loses nothing": [250, 3_000_000, { delayMillis: 1, bitsPerSecond: 200e6, queueBytes: 500_000 }],
  "has a short queue": [
    600,
    3_000_000,
    { delayMillis: 20, bitsPerSecond: 20e6, queueBytes: 30_000, lossRate: 0.005 }
  ],
  "loses one packet in ten": [
    1_000,
    500_000,
    { delayMillis: 20, jitterMillis: 1, bitsPerSecond: 50e6, lossRate: 0.1 }
  ]
} satisfies Record<string, readonly [limit: number, size: number, Partial<LinkConditions>]>

for (const [what, [limit, size, settings]] of Object.entries(paths))
  itSim(
    `a transfer goes on soon after a path that ${what} has become narrower`,
    () => Effect.map(stallMillis(size, settings), (stall) => expect(stall).toBeLessThan(limit)),
    { seeds: 3 }
  )
