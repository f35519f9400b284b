/** Metrics, traces and logs, sent to a collector by OTLP; here the collector is part of the program, and prints what it gets. */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { FetchHttpClient, HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Otlp, OtlpExporter, OtlpSerialization } from "effect/observability"
import { createServer } from "node:http"
import { QuicMetrics } from "../src/index.ts"
import { connect, listen, onLoopback } from "./loopback.ts"

/** What has arrived at each path of the collector. */
const received = new Map<string, string>()

const collector = HttpRouter.add(
  "POST",
  "/v1/:signal",
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    received.set(request.url, (received.get(request.url) ?? "") + (yield* request.text))
    return HttpServerResponse.empty()
  })
)

const http = HttpRouter.serve(collector, { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
)

const exported = Layer.unwrap(
  Effect.map(HttpServer.HttpServer, ({ address }) =>
    Otlp.layer({
      baseUrl: HttpServer.formatAddress(address),
      resource: { serviceName: "example" },
      loggerMergeWithExisting: false
    })
  )
).pipe(Layer.provide([FetchHttpClient.layer, OtlpSerialization.layerJson]))

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const port = yield* listen(identity, (connection) =>
      connection.serveStreams(() => Effect.fail("there is nothing to serve"))
    )
    const connection = yield* Effect.withSpan(connect(port), "the client")
    const stream = yield* connection.openBidi
    yield* stream.write(new Uint8Array(1))
    yield* Effect.exit(stream.read())
    yield* (yield* OtlpExporter.Flusher).flush

    const found = (path: string, pattern: RegExp) => [
      ...new Set([...(received.get(path) ?? "").matchAll(pattern)].map(([, name]) => name))
    ]
    yield* Console.log(
      `spans: ${found("/v1/traces", /"name":"(quic\.[^"]+)"/g)
        .sort()
        .join(", ")}`
    )
    yield* Console.log(`metrics: ${found("/v1/metrics", /"name":"(quic\.[^"]+)"/g).length}`)
    yield* Console.log(`logs: ${found("/v1/logs", /"(stream \d+ failed)/g).join(", ")}`)
  })
)

NodeRuntime.runMain(
  program.pipe(Effect.provide(QuicMetrics.layer()), Effect.provide(exported), Effect.provide(http))
)
