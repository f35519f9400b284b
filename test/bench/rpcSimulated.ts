/**
 * Calls over QUIC in the simulator, where a machine that is busy delays nothing: what the protocol alone makes of a link
 * and its losses.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import { NodeCertificateVerifier, NodeIdentity } from "../../layers/node/index.ts"
import { SimNetwork, SimRuntime } from "../../layers/sim/index.ts"
import { QuicEndpoint, QuicRpc } from "../../src/index.ts"
import type { LinkConditions } from "./linkRelay.ts"
import { Group, handlers, text } from "./rpcGroup.ts"
import type { CallsAnswer } from "./rpcSides.ts"
import { quantiles } from "./system.ts"
import { LiveCryptoSuite } from "../io.ts"

const alpn = ["rpc"]
const serialization = RpcSerialization.layerSchemaBinary()

const program = Effect.fnUntraced(function* (
  { delayMillis, lossRate = 0 }: LinkConditions,
  inFlight: number,
  millis: number
) {
  const sim = yield* SimNetwork
  const [near, far] = [sim.host("client", "10.0.0.1"), sim.host("server", "10.0.0.2")]
  const cable = sim.connect(near, far, { delayMillis, bitsPerSecond: 100e6 })
  const identity = yield* NodeIdentity.developmentCertificate({ keyType: "ed25519" })
  const shared = Layer.merge(
    LiveCryptoSuite.layer,
    NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  )
  const server = yield* QuicEndpoint.make({
    port: 4433,
    server: { alpn, identity }
  }).pipe(Effect.provide(Layer.merge(far.layer, shared)))
  yield* RpcServer.layer(Group, { disableTracing: true }).pipe(
    Layer.provide(handlers),
    Layer.provide(QuicRpc.layerServer({ endpoint: server })),
    Layer.provide(serialization),
    Layer.build
  )
  const client = yield* QuicEndpoint.make({}).pipe(Effect.provide(Layer.merge(near.layer, shared)))
  const connection = yield* client.connect({ host: "10.0.0.2", port: 4433, alpn, serverName: "localhost" })
  const context = yield* Layer.build(QuicRpc.layerClient({ connection }).pipe(Layer.provide(serialization)))
  const calls = yield* Effect.provideContext(RpcClient.make(Group, { disableTracing: true }), context)
  const samples: Array<number> = []
  const startedAt = yield* Clock.currentTimeMillis
  const lane = Effect.gen(function* () {
    for (let at = yield* Clock.currentTimeMillis; at - startedAt < millis; ) {
      yield* calls.Echo({ text })
      const now = yield* Clock.currentTimeMillis
      samples.push(now - at)
      at = now
    }
  })
  cable.set({ lossRate })
  yield* Effect.all(
    Array.from({ length: inFlight }, () => lane),
    { concurrency: "unbounded", discard: true }
  )
  return samples
})

/** Figures of calls in virtual milliseconds. */
export const simulatedCalls = async (
  link: LinkConditions,
  inFlight: number,
  millis: number
): Promise<CallsAnswer> => {
  const { exit } = await SimRuntime.run("rpc", Effect.scoped(program(link, inFlight, millis)))
  if (exit._tag === "Failure") throw new Error(String(exit.cause))
  return { ...quantiles(exit.value), perSecond: (1000 * exit.value.length) / millis }
}

if (import.meta.main)
  for (const lossRate of [0, 0.01])
    console.log(await simulatedCalls({ delayMillis: 10, lossRate }, 64, 10_000))
