/** The interop runner's transfer cases: over bad links, in parallel, with key updates, from changing addresses. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import * as NodeEntropy from "../../layers/node/NodeEntropy.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { itSim } from "../sim/itSim.ts"
import { both, get, KIB, MIB, patient, served, stage, timed } from "./hq.ts"
import { LiveCryptoSuite, LiveUdpPort } from "../io.ts"

/** The runner's "simple" link. */
const simple = { delayMillis: 15, bitsPerSecond: 10e6, queueBytes: 37_500 }

describe("blackhole", () => {
  itSim("a transfer through a link that is down for 5 s goes on soon after", () =>
    Effect.gen(function* () {
      const { cable, connect } = yield* stage(simple, both(patient))
      const near = yield* connect
      const down = Effect.gen(function* () {
        yield* Effect.sleep("2 seconds")
        cable.set({ up: false })
        yield* Effect.sleep("5 seconds")
        cable.set({ up: true })
      })
      yield* Effect.forkScoped(down)
      const whole = yield* timed(get(near, 5 * MIB))
      // 4.3 s at line rate, 5 s of outage, and a probe timeout that has backed off to at most 5 s
      expect(whole).toBeGreaterThan(9_000)
      expect(whole).toBeLessThan(15_000)
    })
  )
})

describe("transferloss and transfercorruption", () => {
  for (const [name, link] of [
    ["lost", { lossRate: 0.02 }],
    ["corrupted", { corruptRate: 0.02 }]
  ] as const)
    itSim(`2 MiB arrive where 2 % is ${name}`, () =>
      Effect.gen(function* () {
        const { connect } = yield* stage({ ...simple, ...link }, both(patient))
        const near = yield* connect
        const took = yield* timed(get(near, 2 * MIB))
        expect(took).toBeLessThan(10_000)
      })
    )
})

describe("multiplexing", () => {
  itSim("1000 small files come over 1000 streams, a hundred at once", () =>
    Effect.gen(function* () {
      const { connect } = yield* stage(simple)
      const near = yield* connect
      const fetches = Array.from({ length: 1000 }, (_, i) => get(near, 32 + (i % 7)))
      const took = yield* timed(Effect.all(fetches, { concurrency: "unbounded" }))
      expect(took).toBeLessThan(2_000)
      expect(near.stats.packetsReceived).toBeLessThan(1_000)
    })
  )
})

describe("ecn", () => {
  for (const congestion of ["cubic", "newReno", "bbr"] as const)
    itSim(`${congestion} slows down for marks, and loses nothing, where the bottleneck marks`, () =>
      Effect.gen(function* () {
        const link = { ...simple, queueBytes: 128 * KIB, markAboveBytes: 12_000 }
        const { accepted, cable, connect } = yield* stage(link, both({ ...patient, congestion }))
        const near = yield* connect
        const took = yield* timed(get(near, 4 * MIB))
        const { marked, queueFull } = cable.backward.counters
        expect(near.stats.ecn).toBe("capable")
        expect(accepted[0].stats.ecn).toBe("capable")
        expect(marked).toBeGreaterThan(0)
        expect(queueFull).toBe(0)
        expect(accepted[0].stats.packetsLost).toBe(0)
        expect(took).toBeLessThan((4 * MIB * 8e3) / simple.bitsPerSecond / 0.8)
      })
    )
})

describe("keyupdate", () => {
  itSim("3 MiB arrive though either side changes its keys on the way", () =>
    Effect.gen(function* () {
      const { connect } = yield* stage(simple)
      const near = yield* connect
      yield* Effect.forkScoped(
        Effect.forEach([300, 600], (millis) => Effect.andThen(Effect.sleep(millis), near.updateKeys))
      )
      yield* get(near, 3 * MIB)
      expect(near.stats.keyUpdates).toBe(2)
    })
  )
})

describe("rebind-port and rebind-addr", () => {
  for (const [name, outside] of [
    ["port", () => undefined],
    ["address", (i: number) => `192.0.2.${i + 1}`]
  ] as const)
    itSim(`10 MiB arrive though the client's ${name} changes every second`, () =>
      Effect.gen(function* () {
        const network = yield* SimNetwork
        const nat = network.nat("nat", "203.0.113.1")
        const client = network.host("client", "10.0.0.1")
        const server = network.host("server", "10.0.0.2")
        // Packets already past the NAT when it rebinds make the client answer from its new address.
        network.connect(client, nat.inside, { delayMillis: 5 })
        network.connect(nat.outside, server, { ...simple, delayMillis: 10 })
        const { connect } = yield* served(
          {
            client: { host: "10.0.0.1", layer: Layer.merge(client.layer, LiveCryptoSuite.layer) },
            server: { host: "10.0.0.2", layer: Layer.merge(server.layer, LiveCryptoSuite.layer) },
            cable: undefined,
            clientHost: client
          },
          both(patient)
        )
        const near = yield* connect
        let rebindings = 0
        yield* Effect.forkScoped(
          Effect.forever(
            Effect.andThen(
              Effect.sleep("1 second"),
              Effect.sync(() => nat.rebind(outside(rebindings++)))
            )
          )
        )
        const took = yield* timed(get(near, 10 * MIB))
        expect(rebindings).toBeGreaterThan(5)
        expect(took).toBeLessThan(20_000)
      })
    )
})

/** Real sockets on IPv6. */
const loopback = {
  host: "::1",
  layer: Layer.mergeAll(LiveUdpPort.layer, LiveCryptoSuite.layer, NodeEntropy.layer)
}

describe("ipv6", () => {
  it("5 KiB and 1 MiB arrive over ::1", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const world = { server: loopback, client: loopback, cable: undefined, clientHost: undefined }
        const { connect } = yield* served(world)
        const near = yield* connect
        expect(near.remoteAddress.family).toBe(6)
        yield* Effect.all([get(near, 5 * KIB), get(near, MIB)], { concurrency: "unbounded" })
      }).pipe(Effect.scoped)
    ))
})
