/** Typed channels: what is sent on one side is received on the other, in order or not, until one closes it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { Channels, type QuicError } from "../../src/index.ts"
import { pair, pattern, reasonOf } from "../api/pair.ts"
import { live, simulated } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"
import { both, link, simPair } from "./world.ts"

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)
const entries = upTo(1_000).map((at) => ({ at, text: `entry ${at}` }))

describe("C1: a channel set", () => {
  for (const universe of [live, simulated])
    universe.it(`gives both sides typed handles, ${universe.name}`, (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const client = yield* Channels.client(link, near)
        const server = yield* Channels.server(link, far)
        yield* Effect.forkScoped(Stream.runForEach(server.log.messages, ({ at }) => server.acks.send(at)))
        yield* Effect.forkScoped(Effect.forEach(entries, client.log.send))
        const acks = yield* Stream.runCollect(Stream.take(client.acks.messages, entries.length))
        expect([...acks]).toEqual(upTo(1_000))
        yield* client.talk.send("there?")
        expect(yield* server.talk.receive()).toBe("there?")
        yield* server.talk.send("here")
        expect(yield* client.talk.receive()).toBe("here")
      })
    )

  itSim("ordered: all messages arrive, in order, through loss; bytes as they are", () =>
    Effect.gen(function* () {
      const { cable, client, server } = yield* both()
      cable.set({ lossRate: 0.1 })
      const blobs = upTo(50).map((i) => pattern(i * 1_999, i + 1))
      yield* Effect.forkScoped(Effect.andThen(Effect.forEach(blobs, client.blobs.send), client.blobs.close))
      const received = [...(yield* Stream.runCollect(server.blobs.messages))]
      expect(received.map((bytes) => Buffer.from(bytes).toString("hex"))).toEqual(
        blobs.map((bytes) => Buffer.from(bytes).toString("hex"))
      )
    })
  )

  itSim("unordered: all messages arrive, through loss, and then the end", () =>
    Effect.gen(function* () {
      const { cable, client, server } = yield* both()
      cable.set({ lossRate: 0.1 })
      yield* Effect.forkScoped(
        Effect.andThen(
          Effect.forEach(upTo(300), (i) => client.parcels.send(new Uint8Array(i).fill(i))),
          client.parcels.close
        )
      )
      const received = [...(yield* Stream.runCollect(server.parcels.messages))]
      expect(received.map(({ length }) => length).sort((a, b) => a - b)).toEqual(upTo(300))
    })
  )

  itSim("a peer that never reads makes `send` wait, on that channel alone", () =>
    Effect.gen(function* () {
      const { client, server } = yield* both()
      const flood = yield* Effect.forkScoped(Effect.forever(client.blobs.send(new Uint8Array(50_000))))
      const parcels = yield* Effect.forkScoped(Effect.forever(client.parcels.send(new Uint8Array(1_000))))
      yield* Effect.sleep(60_000)
      expect(flood.pollUnsafe()).toBeUndefined()
      expect(parcels.pollUnsafe()).toBeUndefined()
      yield* client.talk.send("still there")
      expect(yield* server.talk.receive()).toBe("still there")
      yield* Fiber.interrupt(flood)
      expect((yield* server.blobs.receive()).length).toBe(50_000)
    })
  )
})

describe("C7: receiving and closing", () => {
  itSim("`receive` with a timeout gives None, and loses nothing", () =>
    Effect.gen(function* () {
      const { client, server } = yield* both()
      expect(yield* server.talk.receive({ timeout: "100 millis" })).toEqual(Option.none())
      for (let i = 0; i < 200; i++) {
        yield* Effect.forkScoped(Effect.delay(client.talk.send(`${i}`), i % 20))
        let got = yield* server.talk.receive({ timeout: 7 })
        while (Option.isNone(got)) got = yield* server.talk.receive({ timeout: 1 })
        expect(got).toEqual(Option.some(`${i}`))
      }
      expect(yield* reasonOf(server.talk.receive({ timeout: "soon" as never }))).toMatchObject({
        _tag: "InvalidOption",
        field: "timeout"
      })
    })
  )

  itSim("`close` delivers what was sent, and tells the other side; after it, nothing is sent", () =>
    Effect.gen(function* () {
      const { client, server } = yield* both()
      for (const entry of entries) yield* client.log.send(entry)
      yield* client.log.close
      yield* client.log.close
      expect(yield* reasonOf(client.log.send(entries[0]))).toMatchObject({ outcome: "Closed", side: "here" })
      expect((yield* Stream.runCollect(server.log.messages)).length).toBe(1_000)
      expect(yield* reasonOf(server.log.receive())).toMatchObject({ outcome: "Closed", side: "there" })
      expect(yield* reasonOf(server.log.receive({ timeout: 10 }))).toMatchObject({ outcome: "Closed" })
      // the others go on
      yield* client.talk.send("on")
      expect(yield* server.talk.receive()).toBe("on")
    })
  )

  for (const name of ["log", "talk", "parcels"] as const)
    itSim(`leaving the scope closes ${name}: what was sent arrives, then the end`, () =>
      Effect.gen(function* () {
        const { near, far } = yield* simPair()
        const server = yield* Channels.server(link, far)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* Channels.client(link, near)
            // until the server has opened its channels
            yield* Effect.sleep(50)
            yield* client.log.send(entries[1])
            yield* client.talk.send("bye")
            yield* client.parcels.send(new Uint8Array(40_000))
          })
        )
        const received: Stream.Stream<unknown, QuicError> = server[name].messages
        expect((yield* Stream.runCollect(received)).length).toBe(1)
        expect(yield* reasonOf(server.acks.send(1).pipe(Effect.delay(1_000)))).toMatchObject({
          _tag: "ChannelFailed",
          outcome: "Closed",
          side: "there"
        })
      })
    )

  itSim("leaving the scope with a failure resets the channels", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const server = yield* Channels.server(link, far)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Channels.client(link, near), scope)
      yield* client.log.send(entries[0])
      yield* server.log.receive()
      yield* Scope.close(scope, Exit.fail("oops"))
      expect(yield* reasonOf(server.log.receive())).toMatchObject({ _tag: "StreamReset", code: 0 })
      expect(yield* reasonOf(server.log.receive())).toMatchObject({ _tag: "StreamReset", code: 0 })
    })
  )

  itSim("what has arrived can be received after the end of the connection, and then its reason", () =>
    Effect.gen(function* () {
      const { client, server, near } = yield* both()
      yield* client.talk.send("last words")
      yield* near.close(7, "done")
      yield* Effect.sleep(10)
      expect(yield* server.talk.receive()).toBe("last words")
      expect(yield* reasonOf(server.talk.receive())).toMatchObject({ _tag: "ApplicationClosed", code: 7 })
      expect(
        yield* reasonOf(Effect.andThen(Effect.ignore(server.acks.send(1)), server.acks.send(1)))
      ).toMatchObject({
        _tag: "ApplicationClosed"
      })
    })
  )
})
