import * as dgram from "node:dgram"
import { once } from "node:events"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { layerWithoutTrust, NodeIdentity, ShardedEndpoint } from "../../layers/node/index.ts"
import {
  Identity,
  type QuicConnection,
  QuicEndpoint,
  type QuicEndpointShape,
  Resumption
} from "../../src/index.ts"
import { pinned } from "../api/pair.ts"
import { DIE, type EchoShardData } from "./echoShard.ts"

const COUNT = 4
const module = new URL("echoShard.ts", import.meta.url)

const freePort = Effect.promise(async () => {
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1")
  await once(socket, "listening")
  const { port } = socket.address()
  socket.close()
  return port
})

const start = Effect.fnUntraced(function* (count = COUNT, more: Partial<EchoShardData> = {}) {
  const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
  const data: EchoShardData = {
    port: yield* freePort,
    cert: Identity.publicPem(identity),
    key: Redacted.value(Identity.privateKeyPem(identity)),
    ...more
  }
  const server = yield* ShardedEndpoint.make(module, { count, data })
  const layer = Layer.merge(layerWithoutTrust, pinned(identity))
  const client = yield* QuicEndpoint.make({ host: "127.0.0.1" }).pipe(Effect.provide(layer))
  return { server, client, port: data.port, identity, layer }
})

const connect = (client: QuicEndpointShape, port: number) =>
  client.connect({ host: "127.0.0.1", port, alpn: ["echo"], serverName: "localhost" })

/** Sends `text` on a stream of its own; the number of the shard that answered with it. */
const ask = (connection: QuicConnection, text = "hello") =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* connection.openBidi
      yield* stream.write(new TextEncoder().encode(text))
      yield* stream.finish
      const answer: Array<number> = []
      for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read())
        answer.push(...bytes)
      expect(new TextDecoder().decode(Uint8Array.from(answer.slice(1)))).toBe(text)
      return answer[0]
    })
  )

const live = <A, E>(name: string, test: Effect.Effect<A, E, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(test), 60_000)

describe("a sharded endpoint", () => {
  live(
    "spreads clients over its shards, which have one address",
    Effect.gen(function* () {
      const { server, layer, port } = yield* start()
      expect(server.address.port).toBe(port)
      const shards = new Set<number>()
      // which shard a client gets is up to a hash of its address
      for (let i = 0; i < 64 && shards.size < 2; i++) {
        const client = yield* QuicEndpoint.make({ host: "127.0.0.1" }).pipe(Effect.provide(layer))
        shards.add(yield* ask(yield* connect(client, port)))
      }
      expect(shards.size).toBeGreaterThan(1)
    })
  )

  live(
    "adds up what its shards have counted, and shows the tree of each",
    Effect.gen(function* () {
      const { server, client, port } = yield* start()
      for (let i = 0; i < 5; i++) yield* ask(yield* connect(client, port))
      const { handshakes, connectionsActive } = yield* server.statistics
      expect(handshakes.completed).toBe(5)
      expect(connectionsActive).toBe(5)
      expect((yield* server.trees).map(({ shard }) => shard)).toEqual([0, 1, 2, 3])
    })
  )

  live(
    "resumes in one shard what began in another, and takes a first flight once",
    Effect.gen(function* () {
      const { layer, port } = yield* start()
      const shards = new Set<number>()
      let resumed = 0
      yield* Effect.gen(function* () {
        for (let i = 0; i < 24; i++) {
          const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
          const connection = yield* connect(client, port)
          shards.add(yield* ask(connection))
          if (connection.facts.resumed) resumed++
          yield* connection.close()
        }
      }).pipe(Effect.provide(Layer.merge(layer, Resumption.layerTicketStore())))
      expect(shards.size).toBeGreaterThan(1)
      expect(resumed).toBeGreaterThan(0)
    })
  )

  live(
    "drains every shard, and ends",
    Effect.gen(function* () {
      const { server, client, port } = yield* start()
      const connection = yield* connect(client, port)
      yield* ask(connection)
      const { finished, cutOff } = yield* server.drain("5 seconds")
      expect(finished + cutOff).toBe(1)
      yield* Effect.timeout(server.ended, "10 seconds")
      const refused = yield* Effect.flip(Effect.timeout(connect(client, port), 1000))
      expect(refused).toBeDefined()
    })
  )

  live(
    "says why a shard cannot start, and which option is wrong",
    Effect.gen(function* () {
      expect(yield* Effect.flip(start(2, { failure: "no database" }))).toMatchObject({
        reason: { _tag: "ShardFailed", shard: 0, problem: expect.stringContaining("no database") }
      })
      expect(yield* Effect.flip(ShardedEndpoint.make(module, { count: 0 }))).toMatchObject({
        reason: { _tag: "InvalidOption", field: "count" }
      })
      expect(yield* Effect.flip(ShardedEndpoint.make(module, { count: 1, data: () => {} }))).toMatchObject({
        reason: { _tag: "ShardFailed", shard: 0 }
      })
    })
  )
})

describe.each(["portable", "ffi"] as const)("with %s sockets, a sharded endpoint", (name) => {
  const io = name === "portable" ? {} : { io: name }

  live(
    "keeps a client that moves, again and again, in its shard",
    Effect.gen(function* () {
      const { server, client, port } = yield* start(COUNT, io)
      const connection = yield* connect(client, port)
      const shard = yield* ask(connection)
      for (let i = 0; i < 6; i++) {
        yield* client.rebind({ host: "127.0.0.1" })
        expect(yield* ask(connection)).toBe(shard)
      }
      const trees = yield* server.trees
      const holders = trees.filter(({ connections }) => connections.length > 0)
      expect(holders.map((tree) => tree.shard)).toEqual([shard])
    })
  )

  live(
    "keeps a client whose NAT forgets it in its shard",
    Effect.gen(function* () {
      const { client, port } = yield* start(COUNT, io)
      const nat = yield* rebindingNat(port)
      const connection = yield* connect(client, nat.port)
      const shard = yield* ask(connection)
      for (let i = 0; i < 6; i++) {
        yield* nat.rebind
        expect(yield* ask(connection)).toBe(shard)
      }
    })
  )

  live(
    "replaces a shard that dies: its connections are reset, and clients come back",
    Effect.gen(function* () {
      const { server, client, port } = yield* start(2, io)
      const connection = yield* connect(client, port)
      yield* ask(connection)
      const { handshakes } = yield* server.statistics
      yield* Effect.forkScoped(Effect.ignore(ask(connection, DIE)))
      // what the client sends to the shard's successor is answered with a stateless reset
      const failure = yield* Effect.flip(
        Effect.raceFirst(
          Effect.flatMap(connection.closed, Effect.fail),
          Effect.forever(Effect.andThen(Effect.ignore(connection.ping), Effect.sleep(50)))
        )
      )
      expect(failure).toMatchObject({ reason: { _tag: "StatelessReset" } })
      expect(yield* server.restarts).toBe(1)
      expect((yield* server.statistics).handshakes.completed).toBe(handshakes.completed)
      const again = yield* connect(client, port)
      expect([0, 1]).toContain(yield* ask(again))
    })
  )
})

/** Forwards to `port`, from another port after each `rebind`. */
const rebindingNat = Effect.fnUntraced(function* (port: number) {
  const open = async (): Promise<dgram.Socket> => {
    const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1")
    await once(socket, "listening")
    return socket
  }
  const inside = yield* Effect.promise(open)
  let client = 0
  const openOutside = async (): Promise<dgram.Socket> => {
    const socket = await open()
    socket.on("message", (bytes) => inside.send(bytes, client, "127.0.0.1"))
    return socket
  }
  let outside = yield* Effect.promise(openOutside)
  inside.on("message", (bytes, from) => {
    client = from.port
    outside.send(bytes, port, "127.0.0.1")
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      inside.close()
      outside.close()
    })
  )
  const rebind = Effect.promise(async () => {
    const before = outside
    outside = await openOutside()
    before.close()
  })
  return { port: inside.address().port, rebind }
})
