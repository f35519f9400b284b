/** Where a test of the public API runs: over real sockets or in the simulator, from the same source. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { it } from "vitest"
import * as NodeEntropy from "../../layers/node/NodeEntropy.ts"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import { SimNetwork, type SimConnection } from "../../layers/sim/SimNetwork.ts"
import type { CryptoSuite } from "../../src/capability/CryptoSuite.ts"
import type { Entropy } from "../../src/capability/Entropy.ts"
import type { UdpPort } from "../../src/capability/UdpPort.ts"
import { layerLending } from "../udp/interposed.ts"
import { itSim } from "../sim/itSim.ts"
import { LiveCryptoSuite, LiveUdpPort } from "../io.ts"

/** A host for endpoints. */
export interface Place {
  /** Its IP literal, to bind and connect to. */
  readonly host: string
  readonly layer: Layer.Layer<UdpPort | CryptoSuite | Entropy>
}

export interface World {
  readonly server: Place
  readonly client: Place
  /** The link between them, in the simulator. */
  readonly cable: SimConnection | undefined
  /** The client's host, in the simulator. */
  readonly clientHost: SimHost | undefined
}

export interface Universe {
  readonly name: string
  readonly it: <E>(name: string, program: (world: World) => Effect.Effect<void, E, Scope.Scope>) => void
}

const loopback: Place = {
  host: "127.0.0.1",
  layer: Layer.mergeAll(
    Layer.provide(layerLending, LiveUdpPort.layer),
    LiveCryptoSuite.layer,
    NodeEntropy.layer
  )
}

/** A host of the simulator, whose sockets lend their memory. */
const placeOf = (host: string, { layer }: SimHost): Place => ({
  host,
  layer: Layer.mergeAll(layer, Layer.provide(layerLending, layer), LiveCryptoSuite.layer)
})

export const live: Universe = {
  name: "live",
  it: (name, program) =>
    it(name, () =>
      Effect.runPromise(
        Effect.scoped(
          program({ server: loopback, client: loopback, cable: undefined, clientHost: undefined })
        )
      )
    )
}

/** Two hosts, 10 ms apart. */
export const simWorld: Effect.Effect<World, never, SimNetwork> = Effect.gen(function* () {
  const network = yield* SimNetwork
  const client = network.host("client", "10.0.0.1")
  const server = network.host("server", "10.0.0.2")
  const cable = network.connect(client, server, { delayMillis: 10 })
  return {
    client: placeOf("10.0.0.1", client),
    server: placeOf("10.0.0.2", server),
    cable,
    clientHost: client
  }
})

export const simulated: Universe = {
  name: "simulated",
  it: (name, program) => itSim(name, () => Effect.flatMap(simWorld, program))
}
