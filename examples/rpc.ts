/** An RPC service that moves from HTTP to QUIC by one Layer; neither the service nor its callers change. */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest, HttpRouter } from "effect/http"
import { Rpc, RpcClient, RpcGroup, RpcSerialization, RpcServer } from "effect/rpc"
import { type Identity, QuicEndpoint, QuicRpc } from "../src/index.ts"
import { alpn, onLoopback } from "./loopback.ts"

const Weather = RpcGroup.make(
  Rpc.make("Today", { payload: { city: Schema.String }, success: Schema.String, error: Schema.String }),
  Rpc.make("Hours", { success: Schema.Number, stream: true })
)

const service = RpcServer.layer(Weather).pipe(
  Layer.provide(
    Weather.toLayer({
      Today: ({ city }) => (city === "Atlantis" ? Effect.fail("it is under water") : Effect.succeed("sunny")),
      Hours: () => Stream.range(1, 24)
    })
  )
)

const ask = Effect.gen(function* () {
  const weather = yield* RpcClient.make(Weather)
  const today = yield* weather.Today({ city: "Berlin" })
  const drowned = yield* Effect.flip(weather.Today({ city: "Atlantis" }))
  const hours = yield* Stream.runCount(weather.Hours())
  return `${today}, ${drowned}, ${hours} hours`
})

const overHttp = Layer.merge(
  HttpRouter.serve(RpcServer.layerProtocolHttp({ path: "/rpc" }), {
    disableListenLog: true,
    disableLogger: true
  }),
  RpcClient.layerProtocolHttp({
    url: "",
    transformClient: HttpClient.mapRequest(HttpClientRequest.appendUrl("/rpc"))
  })
).pipe(Layer.provide([NodeHttpServer.layerTest, RpcSerialization.layerNdjson]))

const connect = Effect.map(QuicEndpoint, ({ localAddress }) =>
  QuicRpc.layerConnect({ host: "localhost", port: localAddress.port, alpn })
)

const overQuic = (identity: Identity.Identity) =>
  Layer.unwrap(connect).pipe(
    Layer.provideMerge(QuicRpc.layerListen({ host: "127.0.0.1", server: { alpn, identity } }))
  )

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    yield* Console.log(`HTTP: ${yield* Effect.provide(ask, Layer.provideMerge(service, overHttp))}`)
    yield* Console.log(`QUIC: ${yield* Effect.provide(ask, Layer.provideMerge(service, overQuic(identity)))}`)
  })
)

NodeRuntime.runMain(program)
