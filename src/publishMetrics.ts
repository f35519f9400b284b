/** Publishes the metrics of an endpoint while the scope lasts, if `QuicMetrics.layer` asks for them. */
import * as Effect from "effect/Effect"
import type { EndpointActor } from "./actor/EndpointActor.ts"
import { EndpointMetrics } from "./actor/EndpointMetrics.ts"
import { Published } from "./QuicMetrics.ts"

export const publishMetrics = Effect.fnUntraced(function* (endpoint: EndpointActor) {
  const published = yield* Published
  if (published === undefined) return
  const context = yield* Effect.context<never>()
  yield* Effect.acquireRelease(
    Effect.sync(
      () => (endpoint.telemetry.metrics = new EndpointMetrics(endpoint, context, published.maxConnections))
    ),
    (metrics) =>
      Effect.sync(() => {
        endpoint.telemetry.metrics = undefined
        metrics.close()
      })
  )
})
