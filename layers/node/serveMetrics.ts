/** Metrics of this process for Prometheus. */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"

/** Returns the URL. */
export const serveMetrics = (
  port: number
): Effect.Effect<string, { readonly message: string }, Scope.Scope> => {
  const scraped = HttpRouter.serve(PrometheusMetrics.layerHttp(), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port })))
  return Effect.gen(function* () {
    const context = yield* Layer.build(scraped)
    const { address } = yield* Effect.provideContext(HttpServer.HttpServer, context)
    return `${HttpServer.formatAddress(address)}/metrics`
  }).pipe(
    Effect.mapError((error) => ({
      message: `Cannot serve metrics at 127.0.0.1 port ${port}: ${error.cause instanceof Error ? error.cause.message : error.message}`
    }))
  )
}
