/**
 * The counters of endpoints as Effect metrics, for Prometheus, OTLP and whatever else reads `Metric.snapshot`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { QuicError } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"

const Options = Schema.Struct({
  maxConnections: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(100))
  )
})

/**
 * What is published.
 *
 * @category options
 * @since 0.1.0
 */
export interface MetricsOptions {
  /**
   * Connections of an endpoint whose paths have series of their own. 0 to 1,000,000, default 100.
   *
   * Others are part of the endpoint's series; they get their own when one of the first is gone.
   */
  readonly maxConnections?: number
}

/**
 * Which metrics endpoints publish, checked. Default undefined: none, at no cost.
 *
 * @category references
 * @since 0.1.0
 */
export const Published: Context.Reference<Required<MetricsOptions> | undefined> = Context.Reference(
  "effect-quic/QuicMetrics",
  { defaultValue: (): Required<MetricsOptions> | undefined => undefined }
)

/**
 * Lets the endpoints made with this layer publish metrics.
 *
 * **Details**
 *
 * A metric is read from the endpoint's own counters when it is asked for: nothing is paid per packet. Names and units
 * follow the conventions of OpenTelemetry; in Prometheus, dots are underscores.
 *
 * - Of an endpoint, with the attributes `network.local.address` and `network.local.port` it was bound to:
 *   `quic.endpoint.packets.received`, `.sent`, `.lost`, `.dropped` (by `quic.drop.reason`), `quic.endpoint.datagrams.received`
 *   and `.sent`, `quic.endpoint.bytes.received`, `.sent` and `.lost`, `quic.endpoint.stateless_replies` (by
 *   `quic.reply.kind`), `quic.endpoint.handshakes.in_flight`, `.completed` and `.failed`,
 *   `quic.endpoint.connections.active` and `.closed` (by `quic.close.reason`), `quic.endpoint.strikes`,
 *   `quic.endpoint.traversal.attempts`, `.successes`, `.direct`, `.relayed`, `.coordinations`, `.coordination.time`,
 *   `.probes.sent`, `.probes.bytes`, `.probes.answered`, `.probes.addresses` and `.probes.refused` (by `quic.probe.limit`),
 *   `quic.endpoint.reorder_buffer.size`
 * - Of a path, with these attributes, `network.peer.address`, `network.peer.port`, `quic.role`, `quic.connection` (the
 *   number of its fiber, which `endpoint.tree` shows) and `quic.path`: `quic.path.rtt.smoothed` and `.min`,
 *   `quic.path.congestion_window`, `quic.path.bytes.in_flight`, `.received`, `.sent` and `.lost`,
 *   `quic.path.packets.sent` and `.lost`, `quic.path.mtu`
 *
 * A path has series from the end of the handshake until its connection is gone. When it moves, its old series end and
 * new ones begin; if it moves more than once a second, not before they have been read once more.
 * The attributes of `Metric.CurrentMetricAttributes` where the endpoint was made are added.
 *
 * **Example** (Prometheus text over HTTP)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { HttpRouter } from "effect/http"
 * import { PrometheusMetrics } from "effect/observability"
 * import { QuicEndpoint, QuicMetrics } from "effect-quic"
 *
 * const endpoint = QuicEndpoint.layer({ port: 4433 }).pipe(Layer.provide(QuicMetrics.layer()))
 * const scraped = HttpRouter.serve(PrometheusMetrics.layerHttp())
 *
 * export const layer = Layer.mergeAll(endpoint, scraped)
 * ```
 *
 * **Errors**: `InvalidOption` if `maxConnections` is out of range.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: MetricsOptions = {}): Layer.Layer<never, QuicError> =>
  Layer.effect(Published, check(Options, options))
