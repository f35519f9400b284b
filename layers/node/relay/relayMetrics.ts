/** The counters of a relay as Effect metrics, if `QuicMetrics.layer` asks for them. */
import * as Effect from "effect/Effect"
import { addressAttributes, registerSeries, removeAll } from "../../../src/actor/metricRegistry.ts"
import type { Series } from "../../../src/actor/metricSeries.ts"
import { Published } from "../../../src/QuicMetrics.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { RelayStatistics } from "../../../src/relay/RelayStatistics.ts"

type RelaySeries = Series<RelayStatistics>

const gauge = (name: string, unit: string, description: string, read: RelaySeries["read"]): RelaySeries => ({
  type: "gauge",
  name: `quic.relay.${name}`,
  unit,
  description,
  read
})

const counter = (
  name: string,
  unit: string,
  description: string,
  read: RelaySeries["read"],
  attributes: Readonly<Record<string, string>> = {}
): RelaySeries => ({ type: "counter", name: `quic.relay.${name}`, unit, description, read, attributes })

const dropped = (reason: string, read: RelaySeries["read"]): RelaySeries =>
  counter("frames.dropped", "{frame}", "Frames that were not passed on", read, { "quic.drop.reason": reason })

const ended = (reason: string, read: RelaySeries["read"]): RelaySeries =>
  counter("connections.ended", "{connection}", "Connections the relay has ended", read, {
    "quic.close.reason": reason
  })

const series: ReadonlyArray<RelaySeries> = [
  gauge("clients", "{client}", "Keys that are connected", (s) => s.clients),
  gauge("connections.active", "{connection}", "Connections, strangers included", (s) => s.connections),
  gauge("queue.size", "By", "Bytes that wait for slow clients", (s) => s.queuedBytes),
  counter("connections.accepted", "{connection}", "Connections that were let begin", (s) => s.accepted),
  counter("connections.refused", "{connection}", "Connections beyond a limit", (s) => s.refused),
  counter(
    "connections.authenticated",
    "{connection}",
    "Connections that proved a key",
    (s) => s.authenticated
  ),
  ended("denied", (s) => s.denied),
  ended("expired", (s) => s.expired),
  ended("silent", (s) => s.silent),
  ended("malformed", (s) => s.malformed),
  counter("frames.forwarded", "{frame}", "Frames passed on", (s) => s.forwarded),
  counter("bytes.forwarded", "By", "Bytes of datagrams passed on", (s) => s.forwardedBytes),
  dropped("unknown_key", (s) => s.droppedUnknown),
  dropped("queue_full", (s) => s.droppedFull),
  dropped("rate", (s) => s.droppedRate),
  counter("rate_limited", "{event}", "How often a client was slowed down", (s) => s.rateLimited)
]

export const publishRelayMetrics = Effect.fnUntraced(function* (
  address: SocketAddress,
  read: () => RelayStatistics
) {
  if ((yield* Published) === undefined) return
  const context = yield* Effect.context<never>()
  yield* Effect.acquireRelease(
    Effect.sync(() => registerSeries(series, addressAttributes("local", address), read, context)),
    (registrations) => Effect.sync(() => removeAll(registrations))
  )
})
