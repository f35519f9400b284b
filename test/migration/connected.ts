/** A client that can move, and a server. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { natKinds } from "../../layers/sim/natBehaviour.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { pair, type PairOptions } from "../api/pair.ts"
import { LiveCryptoSuite } from "../io.ts"

/** A client with two addresses and a server, with a 20 Mbit/s link from each; optionally a NAT before the first one. */
const world = Effect.fnUntraced(function* (isBehindNat: boolean) {
  const network = yield* SimNetwork
  const client = network.host("client", "10.0.0.1", "10.0.1.1")
  const server = network.host("server", "10.0.0.2")
  const conditions = { delayMillis: 10, bitsPerSecond: 20e6 }
  const nat = network.nat("nat", "192.0.2.1", { ...natKinds.portRestricted, ports: "sequential" })
  if (isBehindNat) network.connect(client, nat.inside)
  const cable = network.connect(isBehindNat ? nat.outside : client, server, conditions)
  const other = network.connect(client, server, { ...conditions, from: "10.0.1.1" })
  return {
    network,
    nat,
    cable,
    other,
    clientHost: client,
    client: { host: "10.0.0.1", layer: Layer.merge(client.layer, LiveCryptoSuite.layer) },
    server: { host: "10.0.0.2", layer: Layer.merge(server.layer, LiveCryptoSuite.layer) }
  }
})

/** A connection between them. */
export const connected = Effect.fnUntraced(function* (options: PairOptions = {}, isBehindNat = false) {
  const around = yield* world(isBehindNat)
  return { ...around, ...(yield* pair(around, options)) }
})
