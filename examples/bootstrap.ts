/** Endpoints learn their addresses from two bootstrap nodes, of which one goes away. draft-ietf-quic-address-discovery */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Exit, Scope, Stream } from "effect"
import { layerWithoutTrust } from "../layers/node/index.ts"
import {
  AddressDiscovery,
  type BootstrapInfo,
  Identity,
  QuicEndpoint,
  type SocketAddress,
  Trust
} from "../src/index.ts"

const at = (address: SocketAddress | undefined): string =>
  address === undefined ? "an unknown address" : `port ${address.port}`

const program = Effect.gen(function* () {
  const identity = yield* Identity.generateRawKey
  const node = AddressDiscovery.serve({ host: "127.0.0.1", port: 0, identity }).pipe(
    // a node serves strangers: it does not ask who they are
    Effect.provide(Trust.layerRawKeys([]))
  )
  const first = yield* node
  const { port } = first.localAddress

  const endpoint = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    traversal: { bootstraps: [`127.0.0.1:${port}`] }
  }).pipe(Effect.provide(Trust.layerRawKeys([identity.peerId])))

  const once = (condition: (nodes: ReadonlyArray<BootstrapInfo>) => boolean) =>
    endpoint.bootstraps.changes.pipe(
      Stream.filter(condition),
      Stream.runHead,
      Effect.flatMap(Effect.fromOption)
    )

  const [info] = yield* once(([one]) => one.observed !== undefined)
  yield* Console.log(`the node sees what the socket says: ${at(info.observed) === at(endpoint.localAddress)}`)

  const scope = yield* Scope.make()
  const second = yield* Scope.provide(node, scope)
  const other = { host: "127.0.0.1", port: second.localAddress.port }
  yield* endpoint.bootstraps.add(other)
  const both = yield* once(
    (nodes) => nodes.length === 2 && nodes.every(({ observed }) => observed !== undefined)
  )
  yield* Console.log(
    `both see the same, as there is no NAT: ${at(both[0].observed) === at(both[1].observed)}`
  )

  yield* Scope.close(scope, Exit.void)
  const [, gone] = yield* once(([, one]) => one.state === "connecting")
  yield* Console.log(`the second one is gone: ${gone.state}`)
  yield* endpoint.bootstraps.remove(other)
  yield* Console.log(
    `asked: ${endpoint.bootstraps.list.map((one) => `${one.connections} connection`).join(", ")}`
  )
}).pipe(Effect.scoped, Effect.provide(layerWithoutTrust))

NodeRuntime.runMain(program)
