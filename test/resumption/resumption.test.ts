/** Session resumption through the API. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { describe, expect } from "vitest"
import { type KeyOptions, layerTicketKeys } from "../../src/Resumption.ts"
import type { QuicConnection } from "../../src/index.ts"
import { live } from "../api/World.ts"
import { text } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { ask, echo, identity, makeClient, makeServer, to, visit, worldOfTwo } from "./worlds.ts"

const secret = Redacted.make(new Uint8Array(32).fill(3))

const scene = Effect.fnUntraced(function* (keys: KeyOptions = {}) {
  const world = yield* worldOfTwo
  const id = yield* yield* identity
  // built once, so that every server it is provided to has the same keys
  const built = yield* Layer.build(Layer.orDie(Layer.provide(layerTicketKeys(keys), world.first.layer)))
  const ticketKeys = Layer.succeedContext(built)
  const server = yield* makeServer(world.first, id, {}, ticketKeys)
  yield* Effect.forkScoped(server.serveStreams(echo))
  const client = yield* makeClient(world.client, id)
  return { world, id, ticketKeys, server, client }
})

describe("a returning client", () => {
  itSim("resumes its session, and knows whom it talks to", () =>
    Effect.gen(function* () {
      const { server, client } = yield* scene()
      const first = yield* visit(client, to(server))
      expect(first).toMatchObject({ resumed: false, earlyData: "none" })
      const connection = yield* client.connect(to(server))
      expect(connection.facts).toMatchObject({ resumed: true, earlyData: "none", peer: first.peer })
      expect((yield* ask(connection, text("again"))).toString()).toBe("again")
    })
  )

  itSim("agrees with the server on keying material that no earlier connection had", () =>
    Effect.gen(function* () {
      const { world, id, client } = yield* scene()
      const server = yield* makeServer(world.second, id, { earlyData: true })
      const derive = (connection: QuicConnection) =>
        Effect.map(connection.exportKeyingMaterial("EXPORTER-test", text("context"), 32), (bytes) =>
          Buffer.from(bytes).toString("hex")
        )
      const exported = new Set<string>()
      for (const earlyData of ["none", "accepted", "accepted"] as const) {
        const near = yield* client.connect(to(server, { earlyData: true }))
        const stream = yield* near.openBidi
        yield* stream.write(text("at once"))
        // with 0-RTT both wait until the handshake is complete
        const [ours, theirs] = yield* Effect.all([derive(near), Effect.flatMap(server.accept, derive)], {
          concurrency: "unbounded"
        })
        expect(theirs).toBe(ours)
        expect(near.facts).toMatchObject({ earlyData, resumed: earlyData === "accepted" })
        exported.add(ours)
        // lets the tickets arrive
        yield* Effect.sleep("1 second")
      }
      expect(exported.size).toBe(3)
    })
  )

  itSim("gets new tickets each time, and uses none twice", () =>
    Effect.gen(function* () {
      const { server, client } = yield* scene()
      yield* visit(client, to(server))
      for (let i = 0; i < 5; i++) expect((yield* visit(client, to(server))).resumed).toBe(true)
      // two tickets per handshake, at most four stored
      const facts = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () =>
        Effect.map(client.connect(to(server)), (connection) => connection.facts.resumed)
      )
      expect(facts.slice(0, 4)).toEqual([true, true, true, true])
    })
  )

  itSim("to a server it knows for another protocol, shakes hands in full", () =>
    Effect.gen(function* () {
      const { world, id, client } = yield* scene()
      const second = yield* makeServer(world.second, id, { alpn: ["one", "two"] })
      yield* visit(client, to(second, { alpn: ["one"] }))
      expect((yield* visit(client, to(second, { alpn: ["two"] }))).resumed).toBe(false)
      expect((yield* visit(client, to(second, { alpn: ["one"] }))).resumed).toBe(true)
    })
  )

  itSim("after its ticket's lifetime, or after the keys have rotated, shakes hands in full", () =>
    Effect.gen(function* () {
      const { world, id, server, client } = yield* scene({ period: 10_000, keptPeriods: 1 })
      yield* visit(client, to(server))
      yield* Effect.sleep("8 seconds")
      expect((yield* visit(client, to(server))).resumed).toBe(true)
      yield* Effect.sleep("30 seconds")
      const late = yield* client.connect(to(server))
      expect(late.facts.resumed).toBe(false)
      expect((yield* ask(late, text("in full"))).toString()).toBe("in full")

      const brief = yield* makeServer(world.second, id, { ticketLifetime: 5_000 }, undefined, 9000)
      yield* visit(client, to(brief))
      yield* Effect.sleep("10 seconds")
      expect((yield* visit(client, to(brief))).resumed).toBe(false)
    })
  )

  itSim("to a server that issues no tickets, shakes hands in full", () =>
    Effect.gen(function* () {
      const { world, id, client } = yield* scene()
      const second = yield* makeServer(world.second, id, { ticketLifetime: 0 })
      yield* visit(client, to(second))
      expect((yield* visit(client, to(second))).resumed).toBe(false)
    })
  )
})

describe("two servers with the same name", () => {
  itSim("that share ticket keys resume each other's sessions", () =>
    Effect.gen(function* () {
      const { world, id, ticketKeys, server, client } = yield* scene()
      const second = yield* makeServer(world.second, id, {}, ticketKeys)
      yield* visit(client, to(server))
      expect((yield* visit(client, to(second))).resumed).toBe(true)
    })
  )

  itSim("that know one secret do so without ever having talked", () =>
    Effect.gen(function* () {
      const { world, id, server, client } = yield* scene({ secret })
      const elsewhere = Layer.orDie(Layer.provide(layerTicketKeys({ secret }), world.second.layer))
      const second = yield* makeServer(world.second, id, {}, elsewhere)
      yield* visit(client, to(server))
      expect((yield* visit(client, to(second))).resumed).toBe(true)
    })
  )

  itSim("that share nothing shake hands in full", () =>
    Effect.gen(function* () {
      const { world, id, server, client } = yield* scene()
      const second = yield* makeServer(world.second, id)
      yield* visit(client, to(server))
      expect((yield* visit(client, to(second))).resumed).toBe(false)
    })
  )
})

describe("over real sockets", () => {
  live.it("a client resumes its session", (world) =>
    Effect.gen(function* () {
      const id = yield* yield* identity
      const server = yield* makeServer(world.server, id, {}, undefined, 0)
      yield* Effect.forkScoped(server.serveStreams(echo))
      const client = yield* makeClient(world.client, id)
      yield* visit(client, to(server))
      const connection = yield* client.connect(to(server))
      expect(connection.facts.resumed).toBe(true)
      expect((yield* ask(connection, text("again"))).toString()).toBe("again")
    })
  )
})
