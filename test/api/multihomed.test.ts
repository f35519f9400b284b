/** A server bound to all addresses of its host. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import * as NodeUdpPort from "../../layers/node/NodeUdpPort.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import { itSim } from "../sim/itSim.ts"
import { type Endpoints, endpoints, type PairOptions } from "./pair.ts"
import { live, type World } from "./World.ts"

/** Connects to each of `hosts` in turn, all of them the server's. */
const reachesAll = Effect.fnUntraced(function* (
  { client, connectOptions, server }: Endpoints,
  hosts: ReadonlyArray<string>
) {
  for (const host of hosts) {
    const [near, far] = yield* Effect.all([client.connect({ ...connectOptions, host }), server.accept], {
      concurrency: "unbounded"
    })
    expect(near.remoteAddress.host).toBe(host)
    const stream = yield* near.openBidi
    yield* stream.write(new TextEncoder().encode(host))
    yield* stream.finish
    const incoming = yield* far.acceptBidi
    expect(new TextDecoder().decode(yield* incoming.read(100))).toBe(host)
    const shown = (yield* server.tree).connections.find(({ state }) => state === "established")
    expect(shown?.paths[0].routes[0].local.host).toBe(host)
    yield* near.close()
    yield* far.closed
  }
})

const hosts = ["127.0.0.2", "127.0.0.1", "127.0.0.3"]
const named = Layer.succeed(
  UdpPort,
  NodeUdpPort.make(() => hosts)
)
const anywhere = (world: World): World => ({
  ...world,
  server: { host: "0.0.0.0", layer: Layer.merge(world.server.layer, named) }
})

describe("a server on all addresses answers from the one it received on", () => {
  live.it("over real sockets", (world) =>
    Effect.flatMap(endpoints(anywhere(world)), (both) => reachesAll(both, hosts))
  )

  live.it("also when it sends the client away for a proof of its address", (world) =>
    Effect.flatMap(endpoints(anywhere(world), { server: { retry: "always" } }), (both) =>
      reachesAll(both, hosts)
    )
  )

  live.it("also with what belongs to no connection", (world) => {
    const v2: PairOptions = { server: { transport: { versions: ["v2"] } } }
    return Effect.gen(function* () {
      const { client, connectOptions } = yield* endpoints(anywhere(world), v2)
      const transport = { versions: ["v1"] as const }
      const error = yield* Effect.flip(client.connect({ ...connectOptions, host: "127.0.0.2", transport }))
      expect(error.reason._tag).toBe("VersionMismatch")
    })
  })

  live.it("also when that has only just become its own", (world) =>
    Effect.gen(function* () {
      const list = ["127.0.0.1"]
      const port = NodeUdpPort.make(() => list)
      // live time must pass before the server looks up its addresses again
      const real = yield* Clock.Clock
      let ahead = 0n
      const clock: Clock.Clock = Object.assign(Object.create(real), {
        monotonicTimeNanosUnsafe: () => real.monotonicTimeNanosUnsafe() + ahead
      })
      const bind: typeof port.bind = (options) =>
        Effect.provideService(port.bind(options), Clock.Clock, clock)
      const udp = Layer.succeed(UdpPort, { ...port, bind })
      const server = { host: "0.0.0.0", layer: Layer.merge(world.server.layer, udp) }
      const both = yield* endpoints({ ...world, server })
      ahead = 1_000_000_000n
      list.push("127.0.0.2")
      yield* reachesAll(both, ["127.0.0.2"])
    })
  )

  itSim("in the simulator", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const client = network.host("client", "10.0.0.1")
      const server = network.host("server", "10.0.0.2", "10.0.0.3")
      const router = network.router("router")
      network.connect(client, router, { delayMillis: 5 })
      for (const from of server.addresses) network.connect(server, router, { from, delayMillis: 5 })
      const both = yield* endpoints({
        client: { host: "10.0.0.1", layer: Layer.merge(client.layer, NodeCryptoSuite.layer) },
        server: { host: "0.0.0.0", layer: Layer.merge(server.layer, NodeCryptoSuite.layer) },
        cable: undefined,
        clientHost: undefined
      })
      yield* reachesAll(both, server.addresses)
    })
  )
})
