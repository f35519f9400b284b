/** Calls in flight when the network is partitioned: every one ends, with a reason that is typed. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as RpcGroup from "effect/rpc/RpcGroup"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import { describe, expect } from "vitest"
import { type PeerOptions, QuicRpc } from "../../src/index.ts"
import { endpoints, quietly } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"
import { Library, library } from "./suiteService.ts"

/** The library over a peer, and the cable to cut. */
const overPeer = Effect.fnUntraced(function* (
  world: World,
  options: Partial<PeerOptions> = {},
  callOptions: QuicRpc.CallOptions = {}
) {
  const { client, connectOptions, server } = yield* endpoints(world, {
    server: { transport: { maxIdleTimeout: 2000 } }
  })
  const transport = { maxIdleTimeout: 2000 }
  const peer = yield* client.peer({ ...connectOptions, transport, ...options })
  const started = yield* library({
    server: QuicRpc.layerServer({ endpoint: server }),
    client: QuicRpc.layerClient({ connection: peer, ...callOptions })
  })
  yield* started.calls["shelf.Count"]()
  return {
    ...started,
    server,
    cut: () => world.cable!.set({ lossRate: 1 }),
    heal: () => world.cable!.set({ lossRate: 0 })
  }
})

const lost = { _tag: "SocketReadError", cause: { reason: { _tag: "IdleTimeout" } } }

describe("C9: a partition", () => {
  simulated.it("ends every call in flight with the reason of the loss, and its handler", (world) =>
    Effect.gen(function* () {
      const { calls, cut, seen, server } = yield* overPeer(world)
      const large = "x".repeat(10_000_000)
      const inFlight = [
        calls.Wait(),
        calls.Later(),
        calls.Get({ id: large }),
        Stream.runDrain(calls.Pages({ bytes: 10_000, count: 100_000 })),
        Stream.runForEach(calls.Pages({ bytes: 10_000, count: 100_000 }), () => Effect.never),
        calls["shelf.Count"]().pipe(Effect.repeat(Schedule.spaced(10)))
      ] as ReadonlyArray<Effect.Effect<unknown, RpcClientError>>
      const fibers = yield* Effect.forEach(inFlight, (call) => Effect.forkScoped(Effect.flip(call)))
      yield* Deferred.await(seen.waiting)
      yield* Effect.sleep(50)
      expect(fibers.map((fiber) => fiber.pollUnsafe())).toEqual(fibers.map(() => undefined))
      cut()
      yield* Effect.sleep("5 seconds")
      const ends = fibers.map((fiber) => fiber.pollUnsafe())
      // the one whose consumer has stopped has not looked since
      expect(ends.map((end) => end !== undefined)).toEqual([true, true, true, true, false, true])
      for (const end of ends) {
        if (end !== undefined) expect(Exit.isSuccess(end) && end.value.reason).toMatchObject(lost)
      }
      // it was not told that its caller gave up: nobody did
      expect(yield* Deferred.await(seen.abandoned)).toBe(false)
      expect(yield* server.connectionCount).toBe(0)
    }).pipe(quietly)
  )

  simulated.it("a call that is retried by a policy succeeds once it heals", (world) =>
    Effect.gen(function* () {
      const { calls, cut, heal, seen } = yield* overPeer(world)
      const call = yield* calls
        .Later()
        .pipe(
          Effect.retry({ schedule: Schedule.spaced(100), while: ({ _tag }) => _tag === "RpcClientError" }),
          Effect.forkScoped
        )
      yield* Effect.sleep(50)
      cut()
      yield* Effect.sleep("5 seconds")
      expect(call.pollUnsafe()).toBe(undefined)
      heal()
      yield* Deferred.succeed(seen.later, "at last")
      expect(yield* Fiber.join(call)).toBe("at last")
    }).pipe(quietly)
  )

  simulated.it(
    "a lost call of an RPC that may run twice is made again by the policy of its client",
    (world) =>
      Effect.gen(function* () {
        const group = Library.annotateRpcs(QuicRpc.ReplaySafe, true)
        const { calls, cut, heal, seen } = yield* overPeer(world, {}, { group, retry: Schedule.spaced(100) })
        const later = yield* Effect.forkScoped(calls.Later())
        const pages = yield* Effect.forkScoped(
          Effect.flip(Stream.runDrain(calls.Pages({ bytes: 10_000, count: 100_000 })))
        )
        yield* Effect.sleep(100)
        cut()
        yield* Effect.sleep("5 seconds")
        expect(later.pollUnsafe()).toBe(undefined)
        // part of it has been delivered
        expect(yield* Fiber.join(pages)).toMatchObject({ reason: lost })
        heal()
        yield* Deferred.succeed(seen.later, "at last")
        expect(yield* Fiber.join(later)).toBe("at last")
      }).pipe(quietly)
  )

  simulated.it("a call is not made again if it is not marked, nor once the peer has given up", (world) =>
    Effect.gen(function* () {
      const group = RpcGroup.make(Library.requests.get("Wait")!.annotate(QuicRpc.ReplaySafe, true))
      const { calls, cut, seen } = yield* overPeer(
        world,
        { schedule: Schedule.recurs(1), connectTimeout: 1000 },
        { group, retry: Schedule.forever }
      )
      const unmarked = yield* Effect.forkScoped(Effect.flip(calls.Later()))
      const marked = yield* Effect.forkScoped(Effect.flip(calls.Wait()))
      yield* Deferred.await(seen.waiting)
      cut()
      expect((yield* Fiber.join(unmarked)).reason).toMatchObject(lost)
      expect(marked.pollUnsafe()).toBe(undefined)
      expect((yield* Fiber.join(marked)).reason).toMatchObject({ cause: { reason: { _tag: "PeerClosed" } } })
    }).pipe(quietly)
  )

  simulated.it(
    "calls that wait for a connection fail when the policy gives up, and later ones at once",
    (world) =>
      Effect.gen(function* () {
        const { calls, cut, heal } = yield* overPeer(world, {
          schedule: Schedule.upTo(Schedule.spaced(100), { times: 2 }),
          connectTimeout: 1000
        })
        cut()
        yield* Effect.sleep("2500 millis")
        const waiting = yield* Effect.forkScoped(Effect.flip(calls["shelf.Count"]()))
        yield* Effect.sleep("500 millis")
        expect(waiting.pollUnsafe()).toBe(undefined)
        const closed = { _tag: "SocketOpenError", cause: { reason: { _tag: "PeerClosed" } } }
        expect((yield* Fiber.join(waiting)).reason).toMatchObject(closed)
        heal()
        expect((yield* Effect.flip(calls["shelf.Count"]())).reason).toMatchObject(closed)
      }).pipe(quietly)
  )

  simulated.it("more calls than may wait for a connection fail at once", (world) =>
    Effect.gen(function* () {
      const { calls, cut, heal } = yield* overPeer(world, { maxWaiting: 2 })
      cut()
      yield* Effect.sleep("5 seconds")
      const waiting = yield* Effect.forkScoped(
        Effect.all([calls["shelf.Count"](), calls["shelf.Count"]()], { concurrency: "unbounded" })
      )
      yield* Effect.sleep(1)
      expect((yield* Effect.flip(calls["shelf.Count"]())).reason).toMatchObject({
        cause: { reason: { _tag: "PeerBusy" } }
      })
      heal()
      expect(yield* Fiber.join(waiting)).toEqual([7, 7])
    }).pipe(quietly)
  )
})
