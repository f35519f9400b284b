/** Metrics: what they are called, where they come from, how many there are, and that they go when their subject goes. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { PrometheusMetrics } from "effect/observability"
import { describe, expect, vi } from "vitest"
import { QuicMetrics, type SocketAddress } from "../../src/index.ts"
import { endpoints, pair, text } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"

interface Shown {
  readonly name: string
  readonly value: number
  readonly attributes: Readonly<Record<string, string>>
}

const shown = Effect.map(Metric.snapshot, (snapshots) =>
  snapshots
    .filter(({ id }) => id.startsWith("quic."))
    .map(({ id, state, attributes = {} }): Shown => {
      const { count, value } = state as { readonly count?: number; readonly value?: number }
      const reading = (count ?? value)!
      // neither JSON nor a graph has a place for others
      expect([id, Number.isFinite(reading)]).toEqual([id, true])
      return { name: id, value: reading, attributes }
    })
)

/** Those of the endpoint bound to this address. */
const ownOf = (all: ReadonlyArray<Shown>, { host, port }: SocketAddress): ReadonlyArray<Shown> =>
  all.filter(
    ({ attributes }) =>
      attributes["network.local.address"] === host && attributes["network.local.port"] === String(port)
  )

const readingOf = (all: ReadonlyArray<Shown>, name: string, attributes = {}): number => {
  const found = all.filter((one) => {
    if (one.name !== name) return false
    return Object.entries(attributes).every(([key, value]) => one.attributes[key] === value)
  })
  expect(found).toHaveLength(1)
  return found[0].value
}

const connectionsWithPaths = (all: ReadonlyArray<Shown>): ReadonlyArray<string> =>
  all
    .filter(({ name }) => name === "quic.path.rtt.smoothed")
    .map(({ attributes }) => attributes["network.peer.port"])

/** In the simulator, with a registry of its own. */
const itPublishes = <E>(
  name: string,
  options: QuicMetrics.MetricsOptions | undefined,
  program: (world: World) => Effect.Effect<void, E, Scope.Scope>
): void =>
  simulated.it(name, (world) => {
    const published =
      options === undefined ? program(world) : Effect.provide(program(world), QuicMetrics.layer(options))
    return Effect.provideService(published, Metric.MetricRegistry, new Map())
  })

describe("B8 metrics", () => {
  itPublishes("are the statistics of the endpoint, under the names of OpenTelemetry", {}, (world) =>
    Effect.gen(function* () {
      const { server, near } = yield* pair(world)
      const stream = yield* near.openBidi
      yield* stream.write(text("hello"))
      yield* Effect.sleep(1_000)
      const { packetsReceived, bytesSent, handshakes, connectionsActive, dropped } = yield* server.statistics
      const own = ownOf(yield* shown, server.localAddress)
      expect(readingOf(own, "quic.endpoint.packets.received")).toBe(packetsReceived)
      expect(packetsReceived).toBeGreaterThan(3)
      expect(readingOf(own, "quic.endpoint.bytes.sent")).toBe(bytesSent)
      expect(readingOf(own, "quic.endpoint.handshakes.completed")).toBe(handshakes.completed)
      expect(readingOf(own, "quic.endpoint.connections.active")).toBe(connectionsActive)
      for (const [kind, count] of Object.entries({
        rate_limited: dropped.rateLimited,
        duplicate: dropped.duplicate
      }))
        expect(readingOf(own, "quic.endpoint.packets.dropped", { "quic.drop.reason": kind })).toBe(count)
      for (const limit of ["round", "addresses", "rate", "bytes", "address"])
        expect(readingOf(own, "quic.endpoint.traversal.probes.refused", { "quic.probe.limit": limit })).toBe(
          0
        )
      const prometheus = yield* PrometheusMetrics.format()
      expect(prometheus).toContain("# TYPE quic_endpoint_packets_received counter")
      expect(prometheus).toMatch(/quic_endpoint_connections_active\{[^}]*network_local_port="\d+"[^}]*\} 1/)
    })
  )

  itPublishes("of a path are those of its connection, and have the address it leads to", {}, (world) =>
    Effect.gen(function* () {
      const { server, client, near } = yield* pair(world)
      yield* near.ping
      yield* Effect.sleep(1_000)
      const own = ownOf(yield* shown, client.localAddress)
      const { smoothedRttMillis, bytesSent, congestionWindowBytes, packetsLost } = near.stats
      expect(readingOf(own, "quic.path.rtt.smoothed")).toBeCloseTo(smoothedRttMillis / 1000, 9)
      expect(readingOf(own, "quic.path.bytes.sent")).toBe(bytesSent)
      expect(readingOf(own, "quic.path.congestion_window")).toBe(congestionWindowBytes)
      expect(readingOf(own, "quic.path.packets.lost")).toBe(packetsLost)
      const rtt = own.find(({ name }) => name === "quic.path.rtt.smoothed")!
      expect(rtt.attributes).toMatchObject({
        unit: "s",
        "network.peer.address": server.localAddress.host,
        "network.peer.port": String(server.localAddress.port),
        "quic.role": "client",
        "quic.connection": String((yield* client.tree).connections[0].fiber)
      })
    })
  )

  itPublishes("count what ended, and end with it", {}, (world) =>
    Effect.gen(function* () {
      const local = yield* Effect.scoped(
        Effect.gen(function* () {
          const { server, near } = yield* pair(world)
          expect(connectionsWithPaths(ownOf(yield* shown, server.localAddress))).toHaveLength(1)
          yield* near.close(7, "enough")
          yield* Effect.sleep(5_000)
          const own = ownOf(yield* shown, server.localAddress)
          expect(connectionsWithPaths(own)).toEqual([])
          const closed = (reason: string) =>
            readingOf(own, "quic.endpoint.connections.closed", { "quic.close.reason": reason })
          expect([closed("peer_application"), closed("local_application")]).toEqual([1, 0])
          expect(readingOf(own, "quic.endpoint.connections.active")).toBe(0)
          return server.localAddress
        })
      )
      expect(ownOf(yield* shown, local)).toEqual([])
      expect(yield* shown).toEqual([])
    })
  )

  itPublishes(
    "of paths are bounded, and a place that becomes free is taken",
    { maxConnections: 2 },
    (world) =>
      Effect.gen(function* () {
        const { client, server, connectOptions } = yield* endpoints(world)
        yield* Effect.forkScoped(Effect.ignore(server.serve(() => Effect.never)))
        const connections = yield* Effect.all(Array.from({ length: 4 }, () => client.connect(connectOptions)))
        yield* Effect.sleep(500)
        const listed = Effect.map(shown, (all) =>
          ownOf(all, client.localAddress)
            .filter(({ name }) => name === "quic.path.rtt.smoothed")
            .map(({ attributes }) => attributes["quic.connection"])
        )
        const fibers = (yield* client.tree).connections.map(({ fiber }) => String(fiber))
        expect(fibers).toHaveLength(4)
        expect(yield* listed).toEqual(fibers.slice(0, 2))
        yield* connections[0].close()
        yield* Effect.sleep(5_000)
        expect(yield* listed).toEqual(fibers.slice(1, 3))
        expect(readingOf(ownOf(yield* shown, client.localAddress), "quic.endpoint.connections.active")).toBe(
          3
        )
      })
  )

  itPublishes("of a path that moves end, and begin where it is now", {}, (world) =>
    Effect.gen(function* () {
      const { server, client, near } = yield* pair(world)
      const peers = Effect.map(shown, (all) => connectionsWithPaths(ownOf(all, server.localAddress)))
      expect(yield* peers).toEqual([String(client.localAddress.port)])
      yield* Effect.forkScoped(near.migrate())
      for (let n = 0; n < 20; n++) {
        yield* Effect.andThen(Effect.sleep(5), shown)
        const { minRttMillis } = near.stats
        expect([minRttMillis, near.paths[0].minRttMillis].map(Number.isFinite)).toEqual([true, true])
      }
      yield* Effect.sleep(1_000)
      const moved = yield* peers
      expect(moved).toHaveLength(1)
      expect(moved).not.toEqual([String(client.localAddress.port)])
    })
  )

  itPublishes("of a path that moves all the time cost no more than they are read", {}, (world) =>
    Effect.gen(function* () {
      const { server, near } = yield* pair(world)
      yield* Effect.sleep(2_000)
      const registry = yield* Metric.MetricRegistry
      const register = vi.spyOn(registry, "set")
      for (let n = 0; n < 3; n++) {
        yield* near.migrate()
        yield* Effect.sleep(100)
      }
      const atServer = (key: unknown) =>
        String(key).includes(`"network.local.address","${server.localAddress.host}"`)
      const registered = new Set(register.mock.calls.filter(([key]) => atServer(key)).map(([key]) => key))
      // the first move only, the two others when they are read
      expect(registered.size).toBe(10)
      const ports = Effect.map(shown, (all) => connectionsWithPaths(ownOf(all, server.localAddress)))
      const [old] = yield* ports
      const [now] = yield* ports
      expect(now).not.toBe(old)
      expect(now).toBe(String((yield* server.tree).connections[0].remote.port))
    })
  )

  itPublishes("are not published without the layer", undefined, (world) =>
    Effect.gen(function* () {
      yield* pair(world)
      expect(yield* shown).toEqual([])
    })
  )

  itPublishes("cannot be asked for without bound", {}, () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(
        Effect.provide(Effect.void, QuicMetrics.layer({ maxConnections: -1 }))
      )
      expect(failure.reason).toMatchObject({ _tag: "InvalidOption", field: "maxConnections" })
    })
  )
})
