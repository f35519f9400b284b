/** Connections that move by themselves, when the addresses of their host change and when nobody answers them. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { Entropy } from "../../src/capability/Entropy.ts"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import { MovePace } from "../../src/actor/MovePace.ts"
import {
  type EndpointOptions,
  Identity,
  type QuicConnection,
  QuicEndpoint,
  type TransportOptions,
  Trust
} from "../../src/index.ts"
import { pattern, readAll } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { sha256 } from "./transfer.ts"
import { LiveCryptoSuite } from "../io.ts"

const WIFI = "10.1.0.2"
const LTE = "10.2.0.2"
const SERVER = "203.0.113.10"
const bulk = pattern(2_000_000, 1)

/** A phone with two interfaces, of which the system prefers the first, and a server that sends a file on each stream. */
const world = Effect.fnUntraced(function* (
  options: EndpointOptions = {},
  {
    knowsInterfaces = true,
    server: transport = {}
  }: { readonly knowsInterfaces?: boolean; readonly server?: TransportOptions } = {}
) {
  const network = yield* SimNetwork
  const core = network.router("core")
  const phone = network.host("phone", WIFI, LTE)
  const far = network.host("server", SERVER)
  network.connect(phone, core, { name: "wifi", from: WIFI, delayMillis: 10 })
  network.connect(phone, core, { name: "lte", from: LTE, delayMillis: 20 })
  network.connect(far, core, { bitsPerSecond: 10e6 })
  const identity = yield* Effect.provide(
    Identity.generateRawKey,
    Layer.merge(far.layer, LiveCryptoSuite.layer)
  )
  const capabilities = Layer.merge(LiveCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
  const serve = QuicEndpoint.make({ port: 4433, server: { alpn: ["file"], identity, transport } }).pipe(
    Effect.provide(Layer.merge(far.layer, capabilities))
  )
  const server = yield* serve
  const accepted: Array<QuicConnection> = []
  yield* Effect.forkScoped(
    server.serve((connection) => {
      accepted.push(connection)
      return connection.serveStreams((stream) =>
        Effect.andThen(stream.read(), Stream.run(Stream.make(bulk), stream.writable))
      )
    })
  )
  const udpOnly = Layer.effectContext(
    Effect.map(Effect.provide(Effect.all([UdpPort, Entropy]), phone.layer), ([udp, entropy]) =>
      Context.make(UdpPort, udp).pipe(Context.add(Entropy, entropy))
    )
  )
  const client = yield* QuicEndpoint.make(options).pipe(
    Effect.provide(Layer.merge(knowsInterfaces ? phone.layer : udpOnly, capabilities))
  )
  const connectOptions = { host: SERVER, port: 4433, alpn: ["file"] }
  return { network, phone, server, client, accepted, connectOptions }
})

/** Downloads the file, verified. */
const download = Effect.fnUntraced(function* (connection: QuicConnection) {
  const stream = yield* connection.openBidi
  yield* stream.write(Uint8Array.of(1))
  expect(sha256(yield* readAll(stream))).toBe(sha256(bulk))
}, Effect.scoped)

const destinationOf = (connection: QuicConnection): number =>
  connection.actor.core.path.routes.current.destinationId.sequence

/** What the trace of a connection says so far. */
const movesOf = (connection: QuicConnection): Effect.Effect<ReadonlyArray<string>> =>
  connection.migrations.pipe(
    Stream.map(({ _tag, reason, outcome }) => `${_tag} ${reason} ${outcome}`),
    Stream.interruptWhen(Effect.sleep(1)),
    Stream.runCollect
  )

const socketsOf = (endpoint: { readonly tree: Effect.Effect<{ readonly sockets: number }> }) =>
  Effect.map(endpoint.tree, ({ sockets }) => sockets)

for (const [what, options] of [
  ["a wildcard", {}],
  ["its address", { host: WIFI }]
] as const)
  describe(`A3, MobileChurn: a client bound to ${what}`, () => {
    itSim("moves to the interface that is left, with another connection ID, when its own goes down", () =>
      Effect.gen(function* () {
        const { network, client, accepted, connectOptions } = yield* world(options)
        const connection = yield* client.connect(connectOptions)
        const before = destinationOf(connection)
        network.apply([{ atMillis: 500, fault: { kind: "interfaceDown", host: "phone", address: WIFI } }])
        yield* download(connection)
        expect(accepted.length).toBe(1)
        expect(accepted[0].remoteAddress.host).toBe(LTE)
        expect(destinationOf(connection)).not.toBe(before)
        expect(yield* movesOf(connection)).toEqual([
          "Requested MobileChurn Pending",
          "Committed MobileChurn Unvalidated",
          "PathValidated MobileChurn Complete"
        ])
        expect(connection.paths[0].state).toBe("active")
      })
    )

    itSim("moves with its address when that changes, while it downloads and while it is idle", () =>
      Effect.gen(function* () {
        const { network, client, accepted, connectOptions } = yield* world(options)
        const connection = yield* client.connect(connectOptions)
        network.apply([
          { atMillis: 500, fault: { kind: "changeAddress", host: "phone", from: WIFI, to: "10.1.0.3" } },
          {
            atMillis: 20_000,
            fault: { kind: "changeAddress", host: "phone", from: "10.1.0.3", to: "10.1.0.4" }
          }
        ])
        yield* download(connection)
        yield* Effect.sleep("30 seconds")
        expect(accepted[0].remoteAddress.host).toBe("10.1.0.4")
        yield* download(connection)
        expect(accepted.length).toBe(1)
      })
    )

    itSim(
      "holds a bounded number of sockets and fibers however often it has moved, and none when it is closed",
      () =>
        Effect.gen(function* () {
          const { phone, client, connectOptions } = yield* world(options)
          const idle = yield* client.tree
          yield* Effect.scoped(
            Effect.gen(function* () {
              const connection = yield* client.connect(connectOptions)
              yield* Effect.sleep("1 second")
              const { fibers } = yield* client.tree
              for (let i = 3, at = WIFI; i < 10; i++) {
                const next = `10.1.0.${i}`
                phone.changeAddress(at, next)
                at = next
                yield* Effect.sleep("50 seconds")
                yield* download(connection)
              }
              yield* Effect.sleep("10 seconds")
              expect((yield* client.tree).sockets).toBeLessThanOrEqual(2)
              expect((yield* client.tree).fibers).toBeLessThanOrEqual(fibers + 1)
            })
          )
          while ((yield* client.tree).connections.length > 0) yield* Effect.sleep(10)
          expect(yield* socketsOf(client)).toBe(1)
          expect((yield* client.tree).fibers).toBe(idle.fibers)
        })
    )

    itSim("stays where it is if the server forbids migration", () =>
      Effect.gen(function* () {
        const { network, client, connectOptions } = yield* world(options, {
          server: { disableActiveMigration: true }
        })
        const connection = yield* client.connect(connectOptions)
        network.apply([
          { atMillis: 500, fault: { kind: "changeAddress", host: "phone", from: WIFI, to: "10.1.0.3" } }
        ])
        yield* Effect.sleep("20 seconds")
        expect(yield* movesOf(connection)).toEqual([])
        expect(yield* socketsOf(client)).toBeLessThanOrEqual(2)
      })
    )

    itSim("is told to stay, and stays", () =>
      Effect.gen(function* () {
        const { network, client, connectOptions } = yield* world({ ...options, autoMigrate: false })
        const connection = yield* client.connect(connectOptions)
        const before = destinationOf(connection)
        network.apply([{ atMillis: 500, fault: { kind: "interfaceDown", host: "phone", address: WIFI } }])
        yield* Effect.timeoutOption(download(connection), "50 seconds")
        expect(destinationOf(connection)).toBe(before)
        expect(yield* socketsOf(client)).toBe(1)
      })
    )
  })

describe("a client bound to a wildcard", () => {
  itSim("returns to a better interface that comes back", () =>
    Effect.gen(function* () {
      const { network, client, accepted, connectOptions } = yield* world()
      const connection = yield* client.connect(connectOptions)
      network.apply([
        {
          atMillis: 1_000,
          fault: { kind: "interfaceDown", host: "phone", address: WIFI, forMillis: 5_000 }
        }
      ])
      yield* Effect.sleep("3 seconds")
      expect(accepted[0].remoteAddress.host).toBe(LTE)
      const onLte = destinationOf(connection)
      yield* Effect.sleep("5 seconds")
      expect(accepted[0].remoteAddress.host).toBe(WIFI)
      expect(destinationOf(connection)).not.toBe(onLte)
      yield* download(connection)
    })
  )

  itSim("does not move when another interface goes down", () =>
    Effect.gen(function* () {
      const { network, client, connectOptions } = yield* world()
      const connection = yield* client.connect(connectOptions)
      const before = destinationOf(connection)
      network.apply([
        { atMillis: 1_000, fault: { kind: "interfaceDown", host: "phone", address: LTE, forMillis: 5_000 } }
      ])
      yield* Effect.sleep("10 seconds")
      expect(destinationOf(connection)).toBe(before)
    })
  )

  itSim("moves ever less often while an interface flaps, and loses nothing", () =>
    Effect.gen(function* () {
      const { network, client, connectOptions } = yield* world()
      const connection = yield* client.connect(connectOptions)
      network.apply(
        Array.from({ length: 150 }, (_, i) => ({
          atMillis: 1_000 + 2_000 * i,
          fault: { kind: "interfaceDown", host: "phone", address: WIFI, forMillis: 1_000 } as const
        }))
      )
      const sequences = new Set<number>()
      const sample = Effect.forever(
        Effect.delay(
          Effect.sync(() => sequences.add(destinationOf(connection))),
          100
        )
      )
      const sampler = yield* Effect.forkScoped(sample)
      for (let i = 0; i < 5; i++) {
        yield* download(connection)
        yield* Effect.sleep("55 seconds")
      }
      yield* Fiber.interrupt(sampler)
      expect(sequences.size).toBeGreaterThan(2)
      expect(sequences.size).toBeLessThanOrEqual(12)
    })
  )

  itSim("takes all connections along over one socket", () =>
    Effect.gen(function* () {
      const { network, client, accepted, connectOptions } = yield* world()
      const connections = yield* Effect.all(
        Array.from({ length: 10 }, () => client.connect(connectOptions)),
        { concurrency: "unbounded" }
      )
      network.apply([{ atMillis: 500, fault: { kind: "interfaceDown", host: "phone", address: WIFI } }])
      yield* Effect.sleep("10 seconds")
      expect(accepted.map(({ remoteAddress }) => remoteAddress.host)).toEqual(Array(10).fill(LTE))
      expect(yield* socketsOf(client)).toBe(2)
      yield* download(connections[9])
    })
  )
})

describe("an endpoint whose address is gone", () => {
  itSim("makes new connections from another", () =>
    Effect.gen(function* () {
      const { network, client, accepted, connectOptions } = yield* world({ host: WIFI })
      yield* client.connect(connectOptions)
      network.apply([{ atMillis: 500, fault: { kind: "interfaceDown", host: "phone", address: WIFI } }])
      yield* Effect.sleep("10 seconds")
      yield* download(yield* client.connect(connectOptions))
      expect(accepted[1].remoteAddress.host).toBe(LTE)
    })
  )

  itSim("keeps its peer connected", () =>
    Effect.gen(function* () {
      const { network, client, accepted, connectOptions } = yield* world({ host: WIFI })
      const peer = yield* client.peer(connectOptions)
      const connection = yield* peer.connection
      network.apply([{ atMillis: 500, fault: { kind: "interfaceDown", host: "phone", address: WIFI } }])
      yield* download(connection)
      expect(yield* peer.connection).toBe(connection)
      expect(accepted.length).toBe(1)
    })
  )
})

describe("a client that cannot see its interfaces", () => {
  itSim("tries another port when its server does not answer, and moves there", () =>
    Effect.gen(function* () {
      const { network, client, accepted, connectOptions } = yield* world(
        { host: WIFI },
        { knowsInterfaces: false }
      )
      const connection = yield* client.connect(connectOptions)
      network.apply([{ atMillis: 500, fault: { kind: "interfaceDown", host: "phone", address: WIFI } }])
      yield* download(connection)
      expect(accepted.length).toBe(1)
      expect(accepted[0].remoteAddress.host).toBe(LTE)
      expect((yield* movesOf(connection)).slice(0, 3)).toEqual([
        "Requested MobileChurn Pending",
        "PathValidated MobileChurn Pending",
        "Committed MobileChurn Complete"
      ])
    })
  )

  itSim("tries ever less often while nobody answers anywhere, and goes on where it was", () =>
    Effect.gen(function* () {
      const { network, client, connectOptions } = yield* world({ host: WIFI }, { knowsInterfaces: false })
      const connection = yield* client.connect(connectOptions)
      network.apply([
        {
          atMillis: 500,
          fault: { kind: "partition", groups: [["phone"], ["server"]], forMillis: 30_000 }
        }
      ])
      let most = 0
      const sample = Effect.forever(
        Effect.delay(
          Effect.map(socketsOf(client), (sockets) => {
            most = Math.max(most, sockets)
          }),
          100
        )
      )
      yield* Effect.forkScoped(sample)
      yield* download(connection)
      expect(most).toBe(2)
      yield* Effect.sleep("10 seconds")
      expect(yield* socketsOf(client)).toBeLessThanOrEqual(2)
    })
  )
})

describe("the pace of automatic moves", () => {
  itSim("is a second, then twice as long each time, up to a minute, until there was peace", () =>
    Effect.sync(() => {
      const pace = new MovePace()
      const waits: Array<number> = []
      let now = 0
      for (let i = 0; i < 10; i++) {
        now += pace.waitMillis(now)
        pace.onMoved(now)
        waits.push(pace.waitMillis(now) / 1_000)
      }
      expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60, 60])
      now += 121_000
      expect(pace.waitMillis(now)).toBe(0)
      pace.onMoved(now)
      expect(pace.waitMillis(now)).toBe(1_000)
    })
  )
})
