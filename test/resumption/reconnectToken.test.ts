/** Reconnect tokens: a client that is started anew, with nothing but bytes, is served after one round trip. */
import { createHash } from "node:crypto"
import { inspect } from "node:util"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { describe, expect } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { type ConnectOptions, type Carrier, type QuicEndpointShape, ReconnectToken } from "../../src/index.ts"
import type { Place } from "../api/World.ts"
import { endpoints, quietly, readText, reasonOf, text } from "../api/pair.ts"
import { live } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"
import { dualStack, FOUR } from "../api/happyEyeballs.ts"
import { DELAY_MILLIS, echo, identity, makeClient, makeServer, to, worldOfTwo } from "./worlds.ts"

/** Of the bytes of a token that is not encrypted. */
const [PREFIX, DIGEST] = [5, 32]
const RTT = 2 * DELAY_MILLIS
const key = Redacted.make(new Uint8Array(32).fill(9))
const otherKey = Redacted.make(new Uint8Array(32).fill(8))

const tokenFrom = (client: QuicEndpointShape, options: ConnectOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* client.connect(options)
      yield* Effect.sleep("300 millis")
      return Option.getOrThrow(yield* connection.reconnectToken)
    })
  )

const store = (place: Place, token: ReconnectToken.ReconnectToken, options?: ReconnectToken.StorageOptions) =>
  Effect.provide(Schema.encodeEffect(ReconnectToken.schema(options))(token), place.layer)

const load = (place: Place, bytes: Uint8Array, options?: ReconnectToken.StorageOptions) =>
  Effect.provide(Schema.decodeEffect(ReconnectToken.schema(options))(bytes), place.layer)

const askOver = (carrier: Carrier, question: string, replaySafe: boolean) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* carrier.openStream({ replaySafe })
      yield* stream.write(text(question))
      yield* stream.finish
      return yield* readText(stream)
    })
  )

/** The token of a client that is gone, as bytes, and one that is started anew. */
const startedAnew = Effect.fnUntraced(function* (storage?: ReconnectToken.StorageOptions) {
  const world = yield* worldOfTwo
  const id = yield* yield* identity
  const servers = [
    yield* makeServer(world.first, id, { earlyData: true }),
    yield* makeServer(world.second, id, { earlyData: true })
  ] as const
  for (const server of servers) yield* Effect.forkScoped(server.serveStreams(echo))
  const bytes = yield* Effect.scoped(
    Effect.gen(function* () {
      const token = yield* tokenFrom(yield* makeClient(world.client, id), to(servers[0]))
      return yield* store(world.client, token, storage)
    })
  )
  return { world, servers, bytes, client: yield* makeClient(world.client, id) }
})

const roundTripsOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    yield* effect
    return ((yield* Clock.currentTimeMillis) - begun) / RTT
  })

describe("C5: a reconnect token, stored and loaded in another process,", () => {
  itSim(
    "brings what is replay-safe there in the first flight, and lets the rest wait for the handshake",
    () =>
      Effect.gen(function* () {
        const { world, servers, bytes, client } = yield* startedAnew({ key })
        const reconnectToken = yield* load(world.client, bytes, { key })
        expect(reconnectToken.ticketCount).toBeGreaterThanOrEqual(1)
        const connection = yield* client.connect(to(servers[0], { earlyData: true, reconnectToken }))
        expect(connection.facts).toMatchObject({ earlyData: "pending", resumed: true })
        const unsafe = yield* Effect.forkScoped(roundTripsOf(askOver(connection, "pay", false)))
        expect(yield* roundTripsOf(askOver(connection, "balance?", true))).toBe(1)
        expect(yield* Fiber.join(unsafe)).toBe(2)
        expect(connection.facts.earlyData).toBe("accepted")
      })
  )

  itSim("does the same for a peer", () =>
    Effect.gen(function* () {
      const { world, servers, bytes, client } = yield* startedAnew()
      const reconnectToken = yield* load(world.client, bytes)
      const peer = yield* client.peer(to(servers[0], { reconnectToken }))
      expect(yield* roundTripsOf(askOver(peer, "balance?", true))).toBe(1)
    })
  )

  itSim("falls back to a full handshake at another server of that name, which gets everything", () =>
    Effect.gen(function* () {
      const { world, servers, bytes, client } = yield* startedAnew()
      const reconnectToken = yield* load(world.client, bytes)
      const connection = yield* client.connect(to(servers[1], { earlyData: true, reconnectToken }))
      expect(connection.facts.earlyData).toBe("pending")
      // one round trip for the handshake, one for the question that is sent again
      expect(yield* roundTripsOf(askOver(connection, "balance?", true))).toBe(2)
      expect(connection.facts).toMatchObject({ earlyData: "rejected", resumed: false })
    })
  )

  itSim("is not used for a server of another name, nor twice in one process", () =>
    Effect.gen(function* () {
      const { world, servers, bytes, client } = yield* startedAnew()
      const reconnectToken = yield* load(world.client, bytes)
      const given = { earlyData: true, reconnectToken }
      const other = yield* client.connect(to(servers[0], { ...given, serverName: "127.0.0.1" }))
      expect(other.facts.resumed).toBe(false)
      for (let i = 0; i < reconnectToken.ticketCount; i++) {
        const first = yield* client.connect(to(servers[0], given))
        expect(first.facts.resumed).toBe(true)
        yield* first.closeNow()
      }
      expect((yield* client.connect(to(servers[0], given))).facts.resumed).toBe(false)
    })
  )

  itSim("works when it was loaded twice, and both are used", () =>
    Effect.gen(function* () {
      const { world, servers, bytes, client } = yield* startedAnew()
      for (let i = 0; i < 2; i++) {
        const reconnectToken = yield* load(world.client, bytes)
        const connection = yield* client.connect(to(servers[0], { earlyData: true, reconnectToken }))
        expect(yield* askOver(connection, "balance?", true)).toBe("balance?")
        yield* connection.closeNow()
      }
    })
  )

  itSim("spares the Retry once", () =>
    Effect.gen(function* () {
      const world = yield* worldOfTwo
      const id = yield* yield* identity
      const server = yield* makeServer(world.first, id, { retry: "always" })
      yield* Effect.forkScoped(server.serveStreams(echo))
      const token = yield* tokenFrom(yield* makeClient(world.client, id), to(server))
      const client = yield* makeClient(world.client, id)
      expect(yield* roundTripsOf(client.connect(to(server, { reconnectToken: token })))).toBe(1)
      expect(yield* roundTripsOf(client.connect(to(server, { reconnectToken: token })))).toBe(2)
    })
  )

  itSim("goes first to the address that answered, in the first flight though the name has others", () =>
    Effect.gen(function* () {
      const { client, startClient, options, network } = yield* dualStack()
      const heal = network.partition([["client"], ["six"]])
      const reconnectToken = yield* tokenFrom(client, options)
      heal()
      const again = yield* startClient
      const connection = yield* again.connect({ ...options, earlyData: true, reconnectToken })
      expect(connection.facts.earlyData).toBe("pending")
      expect(connection.remoteAddress.host).toBe(FOUR)
    })
  )

  itSim("sends a lost first flight again as soon as the distance to the server suggests", () =>
    Effect.gen(function* () {
      const { world, servers, bytes, client } = yield* startedAnew()
      const reconnectToken = yield* load(world.client, bytes)
      world.cable.set({ lossRate: 1 })
      yield* Effect.forkScoped(
        Effect.delay(
          Effect.sync(() => world.cable.set({ lossRate: 0 })),
          "1 millis"
        )
      )
      const took = yield* roundTripsOf(client.connect(to(servers[0], { reconnectToken })))
      expect(took).toBeGreaterThan(3.9)
      expect(took).toBeLessThan(4.2)
    })
  )

  live.it("works over real sockets", (world) =>
    Effect.gen(function* () {
      const { server, client, connectOptions } = yield* endpoints(world, { server: { earlyData: true } })
      yield* Effect.forkScoped(server.serveStreams(echo))
      const stored = yield* store(world.client, yield* tokenFrom(client, connectOptions), { key })
      const reconnectToken = yield* load(world.client, stored, { key })
      const connection = yield* client.connect({ ...connectOptions, earlyData: true, reconnectToken })
      expect(connection.facts.earlyData).toBe("pending")
      expect(yield* askOver(connection, "balance?", true)).toBe("balance?")
      expect(yield* connection.handshakeComplete).toMatchObject({ earlyData: "accepted", resumed: true })
    })
  )
})

describe("C5: the bytes of a reconnect token", () => {
  itSim("can be read only with their key, and only while nothing is changed, missing or added", () =>
    Effect.gen(function* () {
      const { world, bytes } = yield* startedAnew({ key })
      const plain = yield* store(world.client, yield* load(world.client, bytes, { key }))
      const why = (damaged: Uint8Array, options?: ReconnectToken.StorageOptions) =>
        Effect.map(Effect.flip(load(world.client, damaged, options)), (error) => {
          expect(error._tag).toBe("SchemaError")
          return error.message
        })
      expect(yield* why(bytes, { key: otherKey })).toContain("another key")
      expect(yield* why(bytes)).toContain("no key was given")
      expect(yield* why(plain, { key })).toContain("not encrypted")
      expect(yield* why(plain, { key: Redacted.make(new Uint8Array(31)) })).toContain("at least 32")
      expect(yield* why(new Uint8Array(1_000_000))).toContain("too large")
      for (const [stored, options] of [
        [bytes, { key }],
        [plain, undefined]
      ] as const) {
        for (let at = 0; at < stored.length; at += at < 100 ? 1 : 37) {
          const flipped = stored.slice()
          flipped[at] ^= 1 << (at % 8)
          yield* why(flipped, options)
          yield* why(stored.slice(0, at), options)
        }
        yield* why(Uint8Array.of(...stored, 0), options)
      }
    })
  )

  itSim("with tickets that make no sense cost a connection at most", () =>
    Effect.gen(function* () {
      const { world, servers, bytes, client } = yield* startedAnew()
      const random = new SeededRandom("tickets that make no sense")
      let loadedCount = 0
      for (let i = 0; i < 100; i++) {
        const session = bytes.slice(PREFIX + DIGEST)
        const at = random.below(session.length)
        session[at] = random.below(256)
        const digest = createHash("sha256").update(session).digest()
        const forged = Uint8Array.of(...bytes.subarray(0, PREFIX), ...digest, ...session)
        const loaded = yield* Effect.option(load(world.client, forged))
        if (Option.isNone(loaded)) continue
        loadedCount++
        const options = to(servers[0], { earlyData: true, reconnectToken: loaded.value })
        const connect = Effect.flatMap(client.connect(options), (connection) =>
          askOver(connection, "balance?", true)
        )
        const first = yield* Effect.exit(Effect.scoped(connect))
        if (Exit.isFailure(first)) expect([at, Cause.hasDies(first.cause)]).toEqual([at, false])
      }
      expect(loadedCount).toBeGreaterThan(50)
    }).pipe(quietly)
  )

  itSim("differ each time they are encrypted", () =>
    Effect.gen(function* () {
      const { world, bytes } = yield* startedAnew({ key })
      const again = yield* store(world.client, yield* load(world.client, bytes, { key }), { key })
      expect(again.length).toBe(bytes.length)
      expect(Buffer.compare(again.subarray(5), bytes.subarray(5))).not.toBe(0)
    })
  )

  itSim("are all there is to see: the token itself shows nothing, and what is none is refused", () =>
    Effect.gen(function* () {
      const { world, servers, bytes, client } = yield* startedAnew()
      const token = yield* load(world.client, bytes)
      const shown = `ReconnectToken(${token.ticketCount} tickets)`
      expect(String(token)).toBe(shown)
      expect(inspect(token)).toBe(shown)
      expect(JSON.stringify(token)).toBe(
        JSON.stringify({ _id: "ReconnectToken", ticketCount: token.ticketCount })
      )
      const wrong = to(servers[0], { reconnectToken: bytes as never })
      expect(yield* reasonOf(client.connect(wrong))).toMatchObject({
        _tag: "InvalidOption",
        field: "reconnectToken"
      })
      expect(Exit.isSuccess(yield* Effect.exit(load(world.client, bytes)))).toBe(true)
    })
  )
})
