/** Address validation by Retry and NEW_TOKEN, through the API. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { pattern, text } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { live } from "../api/World.ts"
import {
  ask,
  DELAY_MILLIS,
  echo,
  identity,
  makeClient,
  makeServer,
  timed,
  to,
  visit,
  worldOfTwo
} from "./worlds.ts"

const RTT = 2 * DELAY_MILLIS

const scene = Effect.fnUntraced(function* (options: Parameters<typeof makeServer>[2]) {
  const world = yield* worldOfTwo
  const id = yield* yield* identity
  const server = yield* makeServer(world.first, id, options)
  yield* Effect.forkScoped(server.serveStreams(echo))
  const client = yield* makeClient(world.client, id)
  return { world, id, server, client }
})

describe("a server that always sends Retry", () => {
  // RFC 9000 §8.1.3 #S5, RFC 9001 §4.7 #S1
  itSim("costs a new client one round trip, and one that was here before none", () =>
    Effect.gen(function* () {
      const plain = yield* scene({ retry: "never" })
      const without = yield* timed(plain.client.connect(to(plain.server)))
      const second = yield* makeServer(plain.world.second, plain.id, { retry: "always" })
      yield* Effect.forkScoped(second.serveStreams(echo))
      const fresh = yield* makeClient(plain.world.client, plain.id)
      const retried = yield* timed(fresh.connect(to(second)))
      expect(retried.millis - without.millis).toBe(RTT)
      expect((yield* ask(retried.value, text("hello"))).toString()).toBe("hello")
      yield* Effect.sleep("300 millis")
      const again = yield* timed(fresh.connect(to(second)))
      expect(again.millis).toBe(without.millis)
    })
  )

  itSim(
    "is reached under loss",
    () =>
      Effect.gen(function* () {
        const { world, server, client } = yield* scene({ retry: "always" })
        world.cable.set({ lossRate: 0.1, reorderRate: 0.2, duplicateRate: 0.1 })
        for (let i = 0; i < 10; i++) {
          const connection = yield* client.connect(to(server))
          const sent = pattern(30_000, i + 1)
          expect(Buffer.compare(yield* ask(connection, sent), sent)).toBe(0)
        }
      }),
    { seeds: 5 }
  )

  itSim("gives tokens that its clients use once", () =>
    Effect.gen(function* () {
      const { server, client } = yield* scene({ retry: "always" })
      yield* visit(client, to(server))
      const one = yield* timed(client.connect(to(server)))
      // the second connection is made before the first can bring a new token
      const two = yield* timed(client.connect(to(server)))
      expect(two.millis - one.millis).toBe(RTT)
    })
  )
})

describe("a server under load", () => {
  itSim("retries from the threshold on, and not below", () =>
    Effect.gen(function* () {
      const { world, id, server, client } = yield* scene({
        retry: "underLoad",
        limits: { retryHandshakes: 3 }
      })
      const calm = yield* timed(client.connect(to(server)))
      const clients = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => makeClient(world.client, id))
      const times = yield* Effect.forEach(clients, (each) => timed(each.connect(to(server))), {
        concurrency: "unbounded"
      })
      const delayed = times.map(({ millis }) => millis - calm.millis)
      expect(delayed.filter((millis) => millis === 0)).toHaveLength(3)
      expect(delayed.filter((millis) => millis === RTT)).toHaveLength(3)
    })
  )
})

describe("over real sockets", () => {
  live.it("a Retry goes unnoticed", (world) =>
    Effect.gen(function* () {
      const id = yield* yield* identity
      const server = yield* makeServer(world.server, id, { retry: "always" }, undefined, 0)
      const serving = yield* Effect.forkScoped(server.serveStreams(echo))
      const client = yield* makeClient(world.client, id)
      const connection = yield* client.connect(to(server))
      expect((yield* ask(connection, text("hello"))).toString()).toBe("hello")
      yield* Fiber.interrupt(serving)
    })
  )
})
