/** Several protocols on one connection: datagrams claimed by the number they begin with. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import type { DatagramClaim, QuicConnection } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { endpoints, pair, type PairOptions, reasonOf, text } from "./pair.ts"
import { live, simWorld } from "./World.ts"

const transport = { maxDatagramFrameBytes: 65_535 }
const withDatagrams: PairOptions = { client: { transport }, server: { transport } }
const simPair = (options = withDatagrams) => Effect.flatMap(simWorld, (world) => pair(world, options))

const ascii = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const next = (claim: DatagramClaim) => Effect.map(claim.receive, ascii)
const nextOf = (connection: QuicConnection) => Effect.map(connection.receiveDatagram, ascii)
const sleep = (millis: number) => Effect.sleep(millis)

describe("a carrier's datagrams", () => {
  live.it("go to the claim of the number they begin with, and the others to the application", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world, withDatagrams)
      const [mine, yours] = [yield* near.claimDatagrams(5), yield* far.claimDatagrams(5)]
      yield* mine.send(text("claimed"))
      yield* near.sendDatagram(text("application"))
      expect(yield* next(yours)).toBe("claimed")
      expect(yield* nextOf(far)).toBe("application")
      yield* yours.send(text("and back"))
      expect(yield* next(mine)).toBe("and back")
    })
  )

  itSim("are told apart by numbers of any size, in any order, and are complete", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const numbers = [0, 63, 64, 16_384, 2 ** 30, Number.MAX_SAFE_INTEGER]
      const mine = yield* Effect.forEach(numbers, (number) => near.claimDatagrams(number))
      const yours = yield* Effect.forEach(numbers, (number) => far.claimDatagrams(number))
      for (const claim of [...mine].reverse()) {
        yield* claim.send(text(`for ${claim.prefix}`))
        yield* claim.send(new Uint8Array(0))
      }
      // no number; one of two bytes cut off; another one; a claimed one in more bytes than it needs
      for (const bytes of [[], [0x41], [1, 2], [0x40, 63, 7]])
        yield* near.sendDatagram(Uint8Array.from(bytes))
      for (const claim of yours) expect(yield* next(claim)).toBe(`for ${claim.prefix}`)
      for (const claim of yours) expect((yield* claim.receive).length).toBe(0)
      expect(yield* yours[1].receive).toEqual(Uint8Array.of(7))
      expect([yield* far.receiveDatagram, yield* far.receiveDatagram, yield* far.receiveDatagram]).toEqual([
        new Uint8Array(0),
        Uint8Array.of(0x41),
        Uint8Array.of(1, 2)
      ])
    })
  )

  itSim(
    "that wait already are claimed, the others stay in order; once released, they are the application's again",
    () =>
      Effect.gen(function* () {
        const { near, far } = yield* simPair()
        for (const each of ["a1", "!early", "b2", "!too", "c3"]) yield* near.sendDatagram(text(each))
        yield* sleep(100)
        const scope = yield* Scope.make()
        const claim = yield* Scope.provide(far.claimDatagrams(33), scope)
        expect([yield* next(claim), yield* next(claim)]).toEqual(["early", "too"])
        expect([yield* nextOf(far), yield* nextOf(far), yield* nextOf(far)]).toEqual(["a1", "b2", "c3"])
        yield* Scope.close(scope, Exit.void)
        yield* near.sendDatagram(text("!late"))
        expect(yield* nextOf(far)).toBe("!late")
      })
  )

  itSim("are kept apart: a flood of one claim drops none of another, and is bounded", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const noise = yield* near.claimDatagrams(1)
      const quiet = yield* near.claimDatagrams(2)
      const [loud, calm] = [
        yield* far.claimDatagrams(1, { maxQueuedBytes: 3 * (256 + 100) }),
        yield* far.claimDatagrams(2)
      ]
      yield* quiet.send(text("still there"))
      yield* near.sendDatagram(text("so am I"))
      for (let i = 0; i < 50; i++) {
        yield* noise.send(new Uint8Array(100).fill(i))
        yield* sleep(1)
      }
      yield* sleep(100)
      expect(loud.dropped).toBe(47)
      expect((yield* loud.receive)[0]).toBe(47)
      expect(yield* next(calm)).toBe("still there")
      expect(yield* nextOf(far)).toBe("so am I")
      expect(calm.dropped).toBe(0)
    })
  )

  itSim("replace what waits by key, never another user's of the same key", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const [one, two] = [yield* near.claimDatagrams(1), yield* near.claimDatagrams(2)]
      const [first, second] = [yield* far.claimDatagrams(1), yield* far.claimDatagrams(2)]
      const latest = "position"
      for (const value of ["old", "new"]) {
        yield* one.send(text(value), { latest })
        yield* two.send(text(value), { latest })
        yield* near.sendDatagram(text(value), { latest })
      }
      yield* sleep(100)
      expect([yield* next(first), yield* next(second), yield* nextOf(far)]).toEqual(["new", "new", "new"])
      for (const more of [first.receive, second.receive, far.receiveDatagram])
        expect(Option.isNone(yield* Effect.timeoutOption(more, 100))).toBe(true)
    })
  )

  itSim("are refused with the reasons of sendDatagram, and bad claims with the name of the argument", () =>
    Effect.gen(function* () {
      const { near } = yield* simPair()
      const claim = yield* near.claimDatagrams(7)
      const largest = near.maxDatagramPayloadBytes - 1
      yield* claim.send(new Uint8Array(largest))
      expect(yield* reasonOf(claim.send(new Uint8Array(largest + 1)))).toMatchObject({
        _tag: "DatagramRefused"
      })
      expect(yield* reasonOf(claim.send("text" as never))).toMatchObject({ field: "bytes" })
      expect(yield* reasonOf(claim.send(text("x"), { priority: 0.5 }))).toMatchObject({ field: "priority" })
      expect(yield* reasonOf(claim.send(text("x"), { replaySafe: 1 as never }))).toMatchObject({
        field: "replaySafe"
      })
      expect(yield* reasonOf(claim.send(text("x"), null as never))).toMatchObject({ field: "options" })
      for (const bad of [-1, 0.5, 2 ** 53, "1", undefined, 7])
        expect(yield* reasonOf(near.claimDatagrams(bad as never))).toMatchObject({
          _tag: "InvalidOption",
          field: "prefix"
        })
      for (const maxQueuedBytes of [255, 0.5, "1"])
        expect(yield* reasonOf(near.claimDatagrams(8, { maxQueuedBytes } as never))).toMatchObject({
          field: "maxQueuedBytes"
        })
      expect(yield* reasonOf(near.claimDatagrams(8, { other: 1 } as never))).toMatchObject({ field: "other" })
    })
  )

  itSim("end with their connection, after what has arrived", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const [mine, yours] = [yield* near.claimDatagrams(5), yield* far.claimDatagrams(5)]
      yield* mine.send(text("last words"))
      yield* sleep(100)
      const waiting = yield* Effect.forkScoped(reasonOf(Effect.andThen(yours.receive, yours.receive)))
      yield* near.close(4)
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "ApplicationClosed", code: 4 })
      expect(yield* reasonOf(mine.send(text("late")))).toMatchObject({ _tag: "ApplicationClosed" })
      expect(yield* reasonOf(far.claimDatagrams(6))).toMatchObject({ _tag: "ApplicationClosed" })
    })
  )

  itSim("that are waited for keep the connection alive, a peer's, too", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const { server, client, connectOptions } = yield* endpoints(world, withDatagrams)
      const peer = yield* client.peer({ ...connectOptions, restart: "eager" })
      const [mine, far] = [yield* peer.claimDatagrams(9), yield* server.accept]
      const yours = yield* far.claimDatagrams(9)
      const waiting = yield* Effect.forkScoped(next(mine))
      // longer than the idle timeout
      yield* sleep(200_000)
      yield* yours.send(text("still there?"))
      expect(yield* Fiber.join(waiting)).toBe("still there?")
    })
  )

  itSim("of a peer are claimed on each of its connections, until it is closed", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const { server, client, connectOptions } = yield* endpoints(world, withDatagrams)
      let count = 0
      yield* Effect.forkScoped(
        server.serve((connection) =>
          Effect.gen(function* () {
            const claim = yield* connection.claimDatagrams(9)
            yield* claim.send(text(`hello ${++count}`))
            yield* Effect.ignore(Effect.forever(Effect.flatMap(claim.receive, (bytes) => claim.send(bytes))))
          })
        )
      )
      const peer = yield* client.peer({ ...connectOptions, restart: "eager" })
      const claim = yield* peer.claimDatagrams(9)
      expect(yield* reasonOf(peer.claimDatagrams(9))).toMatchObject({ field: "prefix" })
      expect(yield* next(claim)).toBe("hello 1")
      yield* claim.send(text("echo 1"))
      expect(yield* next(claim)).toBe("echo 1")
      yield* peer.restart
      expect(yield* next(claim)).toBe("hello 2")
      yield* claim.send(text("echo 2"))
      expect(yield* next(claim)).toBe("echo 2")
      const waiting = yield* Effect.forkScoped(reasonOf(claim.receive))
      yield* sleep(10)
      yield* peer.close()
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "PeerClosed" })
      expect(yield* reasonOf(peer.claimDatagrams(10))).toMatchObject({ _tag: "PeerClosed" })
    })
  )

  itSim("are not waited for where this side accepts none, a peer's on its first connection", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const { server, client, connectOptions } = yield* endpoints(world, { server: { transport } })
      const refused = {
        _tag: "DatagramRefused",
        problem: "this side accepts no datagrams: its transport.maxDatagramFrameBytes is 0, the default"
      }
      const near = yield* client.connect(connectOptions)
      const far = yield* server.accept
      const mine = yield* near.claimDatagrams(5)
      expect(yield* reasonOf(mine.receive)).toMatchObject(refused)
      // the other direction allows them
      yield* mine.send(text("one way"))
      expect(yield* next(yield* far.claimDatagrams(5))).toBe("one way")
      const peer = yield* client.peer({ ...connectOptions, restart: "eager" })
      expect(yield* reasonOf((yield* peer.claimDatagrams(6)).receive)).toMatchObject(refused)
    })
  )
})
