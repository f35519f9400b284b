/** B1: one endpoint serves many peers, each with its own state machine, keys, limits and replay window. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { type QuicConnection, type QuicEndpointShape, Trust } from "../../src/index.ts"
import { makeEndpoint, pattern, pinned, readAll, reasonOf, text } from "../api/pair.ts"
import type { Place } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"
import { LiveCryptoSuite } from "../io.ts"

const PEERS = 400
const HOSTS = 8

/** A server, and peers on several hosts; the network delivers every packet twice. */
const setup = Effect.fnUntraced(function* (server: { readonly window?: number } = {}) {
  const network = yield* SimNetwork
  const center = network.host("server", "10.0.0.1")
  const place = (host: string, layer: typeof center.layer): Place => ({
    host,
    layer: Layer.merge(layer, LiveCryptoSuite.layer)
  })
  const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
  const endpoint = yield* makeEndpoint(place("10.0.0.1", center.layer), Trust.layerRawKeys([]), {
    server: {
      alpn: ["test"],
      identity,
      transport: { connectionWindowBytes: 100_000, maxConnectionWindowBytes: server.window ?? 100_000 }
    }
  })
  const clients: Array<QuicEndpointShape> = []
  for (let i = 0; i < HOSTS; i++) {
    const address = `10.0.1.${i + 1}`
    const host = network.host(`client ${i}`, address)
    network.connect(host, center, { delayMillis: 5 + i, duplicateRate: 1 })
    clients.push(yield* makeEndpoint(place(address, host.layer), pinned(identity)))
  }
  const { host, port } = endpoint.localAddress
  const connect = (index: number) =>
    clients[index % HOSTS].connect({
      host,
      port,
      alpn: ["test"],
      serverName: "localhost",
      groups: ["x25519"]
    })
  return { endpoint, clients, connect, where: { host, port } }
})

const label = (connection: QuicConnection) => connection.exportKeyingMaterial("B1", new Uint8Array(0), 16)

describe("B1: one endpoint", () => {
  itSim(`serves ${PEERS} peers at once, each with its own connection, keys and replay window`, () =>
    Effect.gen(function* () {
      const { endpoint, connect } = yield* setup()
      const accepted: Array<QuicConnection> = []
      yield* Effect.forkScoped(
        Effect.ignore(
          endpoint.serve((connection) =>
            Effect.gen(function* () {
              accepted.push(connection)
              yield* connection.serveStreams((stream) =>
                Effect.flatMap(readAll(stream), (bytes) => Effect.andThen(stream.write(bytes), stream.finish))
              )
            })
          )
        )
      )
      const scope = yield* Effect.scope
      const peers = yield* Effect.forEach(
        Array.from({ length: PEERS }, (_, i) => i),
        (i) => Scope.provide(connect(i), scope),
        { concurrency: "unbounded" }
      )
      yield* Effect.sleep("1 second")
      expect(yield* endpoint.connectionCount).toBe(PEERS)
      expect(accepted.length).toBe(PEERS)
      // every peer gets its own bytes back
      const answers = yield* Effect.forEach(
        peers,
        (peer, i) =>
          Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* peer.openBidi
              yield* stream.write(pattern(5_000, i))
              yield* stream.finish
              return Buffer.from(yield* readAll(stream))
            })
          ),
        { concurrency: "unbounded" }
      )
      expect(answers.every((answer, i) => answer.equals(pattern(5_000, i)))).toBe(true)
      // keys: one secret for each connection, which only its two ends share
      const secrets = yield* Effect.forEach(peers, label)
      const served = yield* Effect.forEach(accepted, label)
      const hex = (all: ReadonlyArray<Uint8Array>) =>
        new Set(all.map((bytes) => Buffer.from(bytes).toString("hex")))
      expect(hex(secrets).size).toBe(PEERS)
      expect(hex(served)).toEqual(hex(secrets))
      // replays: each connection has seen each of its packets once, and dropped the copy
      for (const { stats } of accepted) {
        expect(stats.packetsDropped).toBeGreaterThan(3)
        expect(stats.packetsReceived).toBeLessThanOrEqual(stats.packetsDropped + 3)
      }
    })
  )

  itSim("has limits for each peer: one that uses up its own takes nothing from the others", () =>
    Effect.gen(function* () {
      const { endpoint, connect } = yield* setup()
      // streams are accepted when the test says so
      const greedy = yield* connect(0)
      const atServer = yield* endpoint.accept
      yield* Effect.forkScoped(
        Effect.ignore(endpoint.serveStreams((stream) => Effect.asVoid(readAll(stream))))
      )
      const hoard = yield* greedy.openUni
      const hoarding = yield* Effect.forkScoped(
        Effect.forEach(Array(10), () => hoard.write(new Uint8Array(50_000)), { discard: true })
      )
      for (let i = 0; i < 100; i++) yield* greedy.openBidi
      const more = yield* Effect.forkScoped(Effect.scoped(greedy.openBidi))
      yield* Effect.sleep("2 seconds")
      expect(more.pollUnsafe()).toBeUndefined()
      expect(atServer.stats.bytesReceived).toBeLessThan(400_000)
      for (let i = 1; i <= 20; i++)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const honest = yield* connect(i)
            const stream = yield* honest.openUni
            yield* stream.write(new Uint8Array(300_000))
            yield* stream.finish
            yield* stream.finished
          })
        )
      expect(more.pollUnsafe()).toBeUndefined()
      yield* Fiber.interrupt(more)
      yield* Fiber.interrupt(hoarding)
    })
  )

  itSim("gives up a handshake after 5 s and a silent peer after 60 s, and keeps nothing of them", () =>
    Effect.gen(function* () {
      const { endpoint, clients, connect, where } = yield* setup()
      const nowMillis = Clock.currentTimeMillis
      const before = yield* endpoint.tree
      yield* Effect.forkScoped(Effect.ignore(endpoint.serve(({ closed }) => Effect.asVoid(closed))))
      const begun = yield* nowMillis
      const nobody = { ...where, port: 9, alpn: ["test"], serverName: "localhost" }
      expect(yield* reasonOf(Effect.scoped(clients[0].connect(nobody)))).toMatchObject({
        _tag: "HandshakeTimeout"
      })
      expect((yield* nowMillis) - begun).toBe(5_000)
      const peers = yield* Effect.forEach([0, 1, 2, 3], connect, { concurrency: "unbounded" })
      const stream = yield* peers[0].openUni
      yield* stream.write(text("the last word"))
      const connected = yield* nowMillis
      const ends = yield* Effect.forEach(peers, ({ closed }) => closed, { concurrency: "unbounded" })
      expect(new Set(ends.map(({ reason }) => reason._tag))).toEqual(new Set(["IdleTimeout"]))
      const silentMillis = (yield* nowMillis) - connected
      expect(silentMillis).toBeGreaterThanOrEqual(60_000)
      expect(silentMillis).toBeLessThan(61_000)
      yield* Effect.sleep("1 second")
      const { connections, fibers, routedIds, resetTokens, strangers } = yield* endpoint.tree
      expect({ connections, routedIds, resetTokens, strangers }).toEqual({
        connections: [],
        routedIds: before.routedIds,
        resetTokens: before.resetTokens,
        strangers: 0
      })
      expect(fibers).toBe(before.fibers)
    })
  )
})
