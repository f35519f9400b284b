/** Registers series that are read from a source when somebody asks for them. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { Series } from "./metricSeries.ts"

export type Attributes = Readonly<Record<string, string>>

/** Series that are registered cannot be updated. */
const readOnly = { update: () => {}, modify: () => {} }

/** In the registry of `context`. */
export const registerSeries = <Source>(
  series: ReadonlyArray<Series<Source>>,
  attributes: Attributes,
  source: () => Source,
  context: Context.Context<never>
): ReadonlyArray<Metric.Registration> =>
  series.map(({ type, name, unit, description, read, attributes: more }) => {
    const options = { description, attributes: { ...attributes, ...more, unit } }
    return type === "counter"
      ? Metric.registerUnsafe(Metric.counter(name, { ...options, incremental: true }), context, {
          ...readOnly,
          get: () => ({ count: read(source()), incremental: true })
        })
      : Metric.registerUnsafe(Metric.gauge(name, options), context, {
          ...readOnly,
          get: () => ({ value: read(source()) })
        })
  })

export const removeAll = (registrations: ReadonlyArray<Metric.Registration>): void => {
  for (const registration of registrations) registration.remove()
}

export const addressAttributes = (end: "local" | "peer", { host, port }: SocketAddress): Attributes => ({
  [`network.${end}.address`]: host,
  [`network.${end}.port`]: String(port)
})
