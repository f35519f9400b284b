/** An endpoint goes out of service in good order. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { type EndpointOptions, type ServerOptions, Trust } from "../../src/index.ts"
import { makeEndpoint, pattern, pinned, quietly, readAll, readText, reasonOf, text } from "../api/pair.ts"
import { live, simulated, type World } from "../api/World.ts"

const setup = Effect.fnUntraced(function* (
  world: World,
  options: Partial<ServerOptions> = {},
  endpoint: EndpointOptions = {}
) {
  const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
  const scope = yield* Scope.make()
  const server = yield* Scope.provide(
    makeEndpoint(world.server, Trust.layerRawKeys([]), {
      ...endpoint,
      server: { alpn: ["test"], identity, ...options }
    }),
    scope
  )
  const client = yield* makeEndpoint(world.client, pinned(identity))
  const { host, port } = server.localAddress
  const where = { host, port, alpn: ["test"], serverName: "localhost" }
  const nowMillis = Clock.currentTimeMillis
  return { server, client, where, scope, nowMillis }
})

for (const universe of [live, simulated])
  describe(`${universe.name}: an endpoint that drains`, () => {
    universe.it("lets transfers finish, refuses newcomers, and is closed then", (world) =>
      Effect.gen(function* () {
        const { server, client, where } = yield* setup(world)
        const sent = pattern(3_000_000)
        const serving = yield* Effect.forkScoped(
          server.serveStreams((stream) =>
            Effect.gen(function* () {
              yield* readAll(stream)
              for (let i = 0; i < sent.length; i += 100_000) {
                yield* stream.write(sent.subarray(i, i + 100_000))
                yield* Effect.sleep(20)
              }
              yield* stream.finish
            })
          )
        )
        const busy = yield* client.connect(where)
        const idle = yield* client.connect(where)
        const stream = yield* busy.openBidi
        yield* stream.write(text("please"))
        yield* stream.finish
        const answer = yield* Effect.forkScoped(readAll(stream))
        yield* Effect.sleep(100)
        const draining = yield* Effect.forkScoped(server.drain())
        // at once, and not only after the handshake timeout
        const refusal = yield* reasonOf(client.connect(where))
        expect(refusal).toMatchObject({
          _tag: "TransportClosed",
          origin: "peer",
          code: 2,
          problem: "the server is shutting down"
        })
        expect((yield* idle.closed).reason).toMatchObject({
          _tag: "ApplicationClosed",
          origin: "peer",
          code: 0
        })
        expect(draining.pollUnsafe()).toBeUndefined()
        expect(Buffer.compare(yield* Fiber.join(answer), sent)).toBe(0)
        expect(yield* Fiber.join(draining)).toEqual({ finished: 2, cutOff: 0 })
        expect((yield* busy.closed).reason).toMatchObject({
          _tag: "ApplicationClosed",
          origin: "peer",
          code: 0
        })
        expect(yield* reasonOf(Fiber.join(serving))).toMatchObject({ _tag: "EndpointClosed" })
        expect(yield* reasonOf(Effect.scoped(server.accept))).toMatchObject({ _tag: "EndpointClosed" })
        expect(yield* reasonOf(Effect.scoped(server.connect(where)))).toMatchObject({
          _tag: "EndpointClosed"
        })
        expect(yield* server.tree).toMatchObject({ state: "closed", connections: [], fibers: 0, timers: 0 })
        // its port is free again
        const { host, port } = where
        yield* Effect.scoped(makeEndpoint(world.server, Trust.layerRawKeys([]), { host, port }))
      })
    )
  })

describe("an endpoint that drains", () => {
  simulated.it("cuts off at the deadline what is not done, with the code and reason given", (world) =>
    Effect.gen(function* () {
      const { server, client, where, nowMillis } = yield* setup(world)
      let interrupted = 0
      const waits = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
      yield* Effect.forkScoped(
        Effect.ignore(server.serveStreams((stream) => Effect.andThen(readText(stream), waits)))
      )
      const [stubborn, quiet] = [yield* client.connect(where), yield* client.connect(where)]
      const stream = yield* stubborn.openBidi
      yield* stream.write(text("hello"))
      yield* stream.finish
      yield* Effect.sleep(100)
      const begun = yield* nowMillis
      expect(yield* server.drain("2 seconds", { code: 42, reason: "maintenance" })).toEqual({
        finished: 1,
        cutOff: 1
      })
      expect((yield* nowMillis) - begun).toBeLessThan(2_100)
      expect((yield* nowMillis) - begun).toBeGreaterThanOrEqual(2_000)
      const end = { _tag: "ApplicationClosed", origin: "peer", code: 42, problem: "maintenance" }
      expect((yield* stubborn.closed).reason).toMatchObject(end)
      expect((yield* quiet.closed).reason).toMatchObject({ ...end, code: 0, problem: "" })
      expect(interrupted).toBe(1)
      expect(yield* server.tree).toMatchObject({ state: "closed", connections: [], fibers: 0, timers: 0 })
    })
  )

  simulated.it("tells handlers, which can say goodbye in the language of their protocol", (world) =>
    Effect.gen(function* () {
      const { server, client, where } = yield* setup(world)
      yield* Effect.forkScoped(
        Effect.ignore(
          server.serve((connection) =>
            Effect.scoped(
              Effect.gen(function* () {
                yield* server.draining
                const stream = yield* connection.openUni
                yield* stream.write(text("goodbye"))
                yield* stream.finish
              })
            )
          )
        )
      )
      const connection = yield* client.connect(where)
      yield* Effect.sleep(100)
      const draining = yield* Effect.forkScoped(server.drain())
      expect(yield* Effect.flatMap(connection.acceptUni, readText)).toBe("goodbye")
      expect(yield* Fiber.join(draining)).toEqual({ finished: 1, cutOff: 0 })
    })
  )

  simulated.it("grants no more streams than it has, and ends as soon as those in use have", (world) =>
    Effect.gen(function* () {
      const { server, client, where } = yield* setup(world, { transport: { maxBidirectionalStreams: 2 } })
      yield* Effect.forkScoped(
        Effect.ignore(
          server.serveStreams((stream) =>
            Effect.gen(function* () {
              const asked = yield* readText(stream)
              yield* Effect.sleep("200 millis")
              yield* stream.write(text(`${asked}!`))
              yield* stream.finish
            })
          )
        )
      )
      const connection = yield* client.connect(where)
      const ask = (question: string) =>
        Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* connection.openBidi
            yield* stream.write(text(question))
            yield* stream.finish
            return yield* readText(stream)
          })
        )
      expect(yield* ask("before")).toBe("before!")
      const asking = yield* Effect.forkScoped(ask("during"))
      yield* Effect.sleep(50)
      const draining = yield* Effect.forkScoped(server.drain())
      yield* Effect.sleep(50)
      // two more streams were granted: one is in use, the last one may still be opened, and none after it
      const last = yield* Effect.forkScoped(ask("at the last moment"))
      const late = yield* Effect.forkScoped(Effect.exit(ask("too late")))
      expect(yield* Fiber.join(asking)).toBe("during!")
      expect(yield* Fiber.join(last)).toBe("at the last moment!")
      expect(Exit.isFailure(yield* Fiber.join(late))).toBe(true)
      expect(yield* Fiber.join(draining)).toEqual({ finished: 1, cutOff: 0 })
    })
  )

  simulated.it(
    "serves what was on its way already, and closes under handlers that only wait for more",
    (world) =>
      Effect.gen(function* () {
        const { server, client, where, nowMillis } = yield* setup(world)
        const ends: Array<string> = []
        yield* Effect.forkScoped(
          Effect.ignore(
            server.serve((connection) =>
              Effect.forever(
                Effect.scoped(
                  Effect.gen(function* () {
                    const stream = yield* connection.acceptBidi
                    yield* stream.write(text(`${yield* readText(stream)}!`))
                    yield* stream.finish
                    yield* stream.finished
                  })
                )
              ).pipe(
                Effect.catchTag("QuicError", ({ reason }) => Effect.sync(() => void ends.push(reason._tag)))
              )
            )
          )
        )
        const connection = yield* client.connect(where)
        yield* Effect.sleep(100)
        const stream = yield* connection.openBidi
        yield* stream.write(text("just in time"))
        yield* stream.finish
        // one way takes 10 ms
        yield* Effect.sleep(5)
        const begun = yield* nowMillis
        const draining = yield* Effect.forkScoped(server.drain("10 seconds", { code: 3, reason: "bye" }))
        expect(yield* readText(stream)).toBe("just in time!")
        expect(yield* Fiber.join(draining)).toEqual({ finished: 1, cutOff: 0 })
        expect((yield* nowMillis) - begun).toBeLessThan(1_000)
        expect((yield* connection.closed).reason).toMatchObject({
          _tag: "ApplicationClosed",
          code: 3,
          problem: "bye"
        })
        expect(ends).toEqual(["ApplicationClosed"])
      })
  )

  simulated.it("waits for handlers whose streams are over long before they are", (world) =>
    Effect.gen(function* () {
      const { server, client, where, nowMillis } = yield* setup(world)
      let stored = 0
      yield* Effect.forkScoped(
        Effect.ignore(
          server.serveStreams((stream) =>
            Effect.gen(function* () {
              yield* readText(stream)
              yield* stream.finish
              yield* Effect.sleep("8 seconds")
              stored++
            })
          )
        )
      )
      const connection = yield* client.connect(where)
      const stream = yield* connection.openBidi
      yield* stream.write(text("to be stored"))
      yield* stream.finish
      yield* readText(stream)
      const begun = yield* nowMillis
      expect(yield* server.drain("20 seconds")).toEqual({ finished: 1, cutOff: 0 })
      expect(stored).toBe(1)
      expect((yield* nowMillis) - begun).toBeLessThan(8_500)
    })
  )

  simulated.it("refuses those in the handshake, and those that nobody has accepted", (world) =>
    Effect.gen(function* () {
      const { server, client, where } = yield* setup(world)
      const unaccepted = yield* client.connect(where)
      const connecting = yield* Effect.forkScoped(
        Effect.flatMap(client.connect(where), ({ closed }) => closed)
      )
      // its first packet has arrived; it will think the handshake complete before the refusal reaches it
      yield* Effect.sleep(12)
      expect(yield* server.drain()).toEqual({ finished: 0, cutOff: 0 })
      const refusal = {
        _tag: "TransportClosed",
        origin: "peer",
        code: 2,
        problem: "the server is shutting down"
      }
      expect((yield* Fiber.join(connecting)).reason).toMatchObject(refusal)
      expect((yield* unaccepted.closed).reason).toMatchObject(refusal)
      const idle = yield* setup(world)
      const accepting = yield* Effect.forkScoped(reasonOf(Effect.scoped(idle.server.accept)))
      yield* Effect.sleep(1)
      expect(yield* idle.server.drain()).toEqual({ finished: 0, cutOff: 0 })
      expect(yield* Fiber.join(accepting)).toMatchObject({ _tag: "EndpointClosed" })
    })
  )

  for (const how of ["drained", "closed"])
    simulated.it(`refuses clients that wait for the handshakes of others when it is ${how}`, (world) =>
      Effect.gen(function* () {
        const limits = { handshakes: 1, handshakesPerSource: 1 }
        const { server, client, where, scope } = yield* setup(world, {}, { limits })
        const connecting = yield* Effect.forEach([1, 2, 3, 4], () =>
          Effect.forkScoped(reasonOf(Effect.flatMap(client.connect(where), ({ closed }) => closed)))
        )
        yield* Effect.sleep(12)
        expect((yield* server.statistics).handshakes).toMatchObject({ inFlight: 4, completed: 0 })
        yield* how === "drained" ? server.drain() : Scope.close(scope, Exit.void)
        for (const waiting of connecting.slice(1))
          expect(yield* Fiber.join(waiting)).toMatchObject({
            _tag: "TransportClosed",
            code: 2,
            problem: "the server is shutting down"
          })
      })
    )

  simulated.it("goes on when its caller is interrupted; another call joins it and can hurry it", (world) =>
    Effect.gen(function* () {
      const { server, client, where, nowMillis } = yield* setup(world)
      yield* Effect.forkScoped(Effect.ignore(server.serve(() => Effect.never)))
      const connection = yield* client.connect(where)
      yield* Effect.sleep(100)
      const begun = yield* nowMillis
      const first = yield* Effect.forkScoped(server.drain("1 hour", { code: 7 }))
      yield* Effect.sleep(100)
      yield* Fiber.interrupt(first)
      const second = yield* Effect.forkScoped(server.drain("10 seconds"))
      const third = yield* Effect.forkScoped(server.drain("20 seconds"))
      yield* Effect.sleep(100)
      expect([second.pollUnsafe(), third.pollUnsafe()]).toEqual([undefined, undefined])
      const outcome = { finished: 0, cutOff: 1 }
      expect(yield* server.drain(0)).toEqual(outcome)
      expect([yield* Fiber.join(second), yield* Fiber.join(third)]).toEqual([outcome, outcome])
      expect((yield* nowMillis) - begun).toBeLessThan(300)
      expect((yield* connection.closed).reason).toMatchObject({ _tag: "ApplicationClosed", code: 7 })
      expect(yield* server.drain()).toEqual(outcome)
    })
  )

  simulated.it(
    "closes what it has opened itself once that is at rest, and its peers, which do not come back",
    (world) =>
      Effect.gen(function* () {
        const { server, client, where } = yield* setup(world)
        yield* Effect.forkScoped(
          Effect.ignore(
            server.serveStreams((stream) =>
              Effect.gen(function* () {
                const asked = yield* readText(stream)
                yield* Effect.sleep("500 millis")
                yield* stream.write(text(`${asked}!`))
                yield* stream.finish
              })
            )
          )
        )
        const peer = yield* client.peer(where)
        yield* peer.connection
        const connection = yield* client.connect(where)
        const stream = yield* connection.openBidi
        yield* stream.write(text("still there?"))
        yield* stream.finish
        const answer = yield* Effect.forkScoped(readText(stream))
        yield* Effect.sleep(100)
        expect(yield* client.drain()).toEqual({ finished: 2, cutOff: 0 })
        expect(yield* Fiber.join(answer)).toBe("still there?!")
        expect(yield* peer.state).toMatchObject({ _tag: "Closed" })
        expect(yield* client.tree).toMatchObject({ state: "closed", peers: [], connections: [], fibers: 0 })
      })
  )

  simulated.it("is over at once when its scope is closed meanwhile, and leaves nothing", (world) =>
    Effect.gen(function* () {
      const { server, client, where, scope } = yield* setup(world)
      yield* Effect.forkScoped(Effect.ignore(server.serve(() => Effect.never)))
      yield* client.connect(where)
      yield* Effect.sleep(100)
      const draining = yield* Effect.forkScoped(server.drain("1 hour"))
      yield* Effect.sleep(100)
      yield* Scope.close(scope, Exit.interrupt())
      expect(yield* Fiber.join(draining)).toEqual({ finished: 0, cutOff: 1 })
      expect(yield* server.tree).toMatchObject({ state: "closed", connections: [], fibers: 0, timers: 0 })
      // draining a closed endpoint is nothing
      const empty = yield* setup(world)
      yield* Scope.close(empty.scope, Exit.void)
      expect(yield* empty.server.drain()).toEqual({ finished: 0, cutOff: 0 })
      yield* empty.server.draining
    }).pipe(quietly)
  )

  simulated.it("names a bad argument", (world) =>
    Effect.gen(function* () {
      const { server, client, where } = yield* setup(world)
      for (const deadline of [-1, Number.NaN, "25 hours", "soon" as "1 hour"] as const)
        expect(yield* reasonOf(server.drain(deadline))).toMatchObject({
          _tag: "InvalidOption",
          field: "deadline"
        })
      expect(yield* reasonOf(server.drain(1, { code: -1 }))).toMatchObject({
        _tag: "InvalidOption",
        field: "code"
      })
      // and nothing has begun
      yield* client.connect(where)
    })
  )
})
