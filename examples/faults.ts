/** A phone behind a NAT talks to a server that crashes, while its network is partitioned, slowed and rebound. */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Layer, Schedule, Stream } from "effect"
import { NodeCryptoSuite } from "../layers/node/index.ts"
import { type FaultSchedule, SimRuntime, SimTopology } from "../layers/sim/index.ts"
import { Identity, QuicEndpoint, Trust } from "../src/index.ts"

const topology = SimTopology.make({
  hosts: { phone: "192.168.1.2", server: "198.51.100.1" },
  routers: { core: {} },
  nats: { home: { outside: "203.0.113.1", kind: "portRestricted", mappingTimeoutMillis: 30_000 } },
  links: {
    wifi: [
      "phone",
      "home.inside",
      { delayMillis: 2, loss: { kind: "gilbertElliott", toBad: 0.01, toGood: 0.3 } }
    ],
    line: ["home.outside", "core", { delayMillis: 10, bitsPerSecond: 5e6, queue: { kind: "codel" } }],
    rack: ["server", "core", { delayMillis: 1 }]
  }
})

/** Plain data: it can be stored with the seed, and any subset of it is a valid schedule. */
const faults: FaultSchedule = [
  { atMillis: 2_500, fault: { kind: "rebind", nat: "home" } },
  { atMillis: 4_500, fault: { kind: "partition", groups: [["phone"], ["server"]], forMillis: 2_000 } },
  {
    atMillis: 7_500,
    fault: { kind: "conditions", link: "line", conditions: { delayMillis: 300 }, forMillis: 2_000 }
  },
  { atMillis: 10_500, fault: { kind: "crash", host: "server", forMillis: 1_000 } },
  { atMillis: 14_500, fault: { kind: "rebind", nat: "home", address: "203.0.113.99" } }
]

const program = Effect.gen(function* () {
  const { hosts, network } = yield* topology.build
  const identity = yield* Identity.generateRawKey.pipe(
    Effect.provide(Layer.merge(hosts.server.layer, NodeCryptoSuite.layer))
  )
  const shared = Layer.merge(NodeCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
  const transport = { maxIdleTimeout: "3 seconds" } as const

  const echo = Effect.gen(function* () {
    const server = yield* QuicEndpoint.make({ port: 4433, server: { alpn: ["echo"], identity, transport } })
    yield* server.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
  })
  // Restarts after every crash.
  yield* Effect.forkScoped(hosts.server.run(Effect.provide(echo, shared)))

  const answered: Array<number> = []
  const ask = Effect.gen(function* () {
    const client = yield* QuicEndpoint.make()
    const connection = yield* client.connect({ host: "198.51.100.1", port: 4433, alpn: ["echo"], transport })
    for (;;) {
      const stream = yield* connection.openBidi
      yield* Stream.run(Stream.encodeText(Stream.make("still there?")), stream.writable)
      yield* Stream.runDrain(stream.readable)
      answered.push(yield* Clock.currentTimeMillis)
      yield* Effect.sleep("1 second")
    }
  }).pipe(Effect.scoped, Effect.retry(Schedule.spaced("500 millis")))

  const begun = yield* Clock.currentTimeMillis
  network.apply(faults)
  yield* Effect.timeoutOption(hosts.phone.run(Effect.provide(ask, shared)), "20 seconds")
  const pauses = answered.map((at, i) => at - (answered[i - 1] ?? begun))
  return `${answered.length} answers in 20 s, at most ${Math.max(...pauses)} ms apart`
})

const report = Effect.gen(function* () {
  const { exit } = yield* Effect.promise(() => SimRuntime.run("any seed", Effect.scoped(program)))
  yield* Console.log(yield* exit)
})

NodeRuntime.runMain(report)
