/** A QUIC server whose metrics Prometheus can scrape at http://127.0.0.1:PORT/metrics; here the program does so itself. */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import { QuicMetrics } from "../src/index.ts"
import { connect, listen, onLoopback } from "./loopback.ts"

const scraped = HttpRouter.serve(PrometheusMetrics.layerHttp(), {
  disableLogger: true,
  disableListenLog: true
}).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })))

const scrape = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  const response = yield* HttpClient.get(`${HttpServer.formatAddress(address)}/metrics`)
  return yield* response.text
})

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const port = yield* listen(identity, (connection) =>
      connection.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
    )
    const connection = yield* connect(port)
    const stream = yield* connection.openBidi
    yield* Stream.run(Stream.encodeText(Stream.make("hello")), stream.writable)
    yield* Stream.runDrain(stream.readable)

    const lines = (yield* scrape).split("\n").filter((line) => line.includes(`local_port="${port}"`))
    for (const name of ["endpoint_handshakes_completed", "endpoint_connections_active", "path_rtt_smoothed"])
      yield* Console.log(lines.find((line) => line.startsWith(`quic_${name}{`)))
  })
)

// with this layer, the endpoints that the program makes publish metrics
NodeRuntime.runMain(Effect.provide(program, [QuicMetrics.layer(), scraped, FetchHttpClient.layer]))
