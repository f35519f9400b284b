/** Adds up the statistics of several endpoints. */
import type { EndpointStatistics } from "../../../src/capability/EndpointStatistics.ts"

type Counts = { readonly [name: string]: number | Counts }

const add = (a: Counts, b: Counts): Counts =>
  Object.fromEntries(
    Object.entries(a).map(([name, value]) => {
      const other = b[name]
      return [
        name,
        typeof value === "number" ? value + (other as number) : add(value, other as Counts)
      ] as const
    })
  )

const asCounts = (statistics: EndpointStatistics): Counts => statistics as unknown as Counts

/** Of at least one endpoint. */
export const sumStatistics = ([first, ...rest]: ReadonlyArray<EndpointStatistics>): EndpointStatistics =>
  rest.map(asCounts).reduce(add, asCounts(first)) as unknown as EndpointStatistics

/** What is left of an endpoint that is gone: what only grows. */
export const withoutGauges = (statistics: EndpointStatistics): EndpointStatistics => ({
  ...statistics,
  handshakes: { ...statistics.handshakes, inFlight: 0 },
  connectionsActive: 0,
  reorderBufferBytes: 0
})
