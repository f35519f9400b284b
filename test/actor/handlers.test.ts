/** Handlers of closed connections: how long they may continue, and how they are reported. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { FiberTree, type QuicConnection } from "../../src/index.ts"
import { endpoints, type PairOptions, text } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"

const { it } = simulated

/** The server's close timeout is one second. */
const options: PairOptions = { server: { transport: { closeTimeout: 1_000 } } }

/** A server with a handler; reports when that ended after the connection was closed. */
const served = Effect.fnUntraced(function* <E>(
  world: World,
  handler: (connection: QuicConnection) => Effect.Effect<void, E>
) {
  const both = yield* endpoints(world, options)
  const ends: Array<{ readonly exit: Exit.Exit<void, E>; readonly millis: number }> = []
  let closedMillis = 0
  const serving = yield* Effect.forkScoped(
    both.server.serve((connection) =>
      Effect.onExit(handler(connection), (exit) =>
        Effect.map(Clock.currentTimeMillis, (now) => void ends.push({ exit, millis: now - closedMillis }))
      )
    )
  )
  const near = yield* both.client.connect(both.connectOptions)
  const close = Effect.gen(function* () {
    yield* Effect.sleep(100)
    yield* near.closeNow(0)
    closedMillis = (yield* Clock.currentTimeMillis) + 10
  })
  return { ...both, near, ends, serving, close }
})

describe("the handler of a connection that is over", () => {
  it("is interrupted after the close timeout, and the tree shows it until then", (world) =>
    Effect.gen(function* () {
      const { server, ends, close } = yield* served(world, () => Effect.never)
      yield* close
      yield* Effect.sleep(1_200)
      expect(ends).toEqual([])
      const tree = yield* server.tree
      // nothing is on the wire any more
      expect(tree.routedIds).toBe(0)
      expect(tree.connections).toMatchObject([{ state: "closed", fibers: 1 }])
      const [{ handler }] = tree.connections
      expect(handler).toBeTypeOf("number")
      expect(FiberTree.print(tree)).toContain(`handler ${handler}`)
      // the endpoint's loop, the handler, and the one that will interrupt it
      expect(tree.fibers).toBe(3)
      yield* Effect.sleep(400)
      expect(ends).toHaveLength(1)
      expect(Exit.hasInterrupts(ends[0].exit)).toBe(true)
      expect(ends[0].millis).toBe(1_500)
      expect(yield* server.tree).toMatchObject({ connections: [], fibers: 1 })
    }))

  it("ends in order when it is done before", (world) =>
    Effect.gen(function* () {
      const { server, ends, close } = yield* served(world, ({ closed }) =>
        Effect.andThen(closed, Effect.sleep(900))
      )
      yield* close
      yield* Effect.sleep(3_000)
      expect(ends).toMatchObject([{ exit: Exit.void, millis: 900 }])
      expect(yield* server.tree).toMatchObject({ connections: [], fibers: 1 })
    }))

  it("goes on after those of its streams, which have the close timeout and no longer", (world) =>
    Effect.gen(function* () {
      const streams: Array<string> = []
      const busy = Effect.onExit(Effect.never, (exit) =>
        Effect.sync(() => void streams.push(Exit.hasInterrupts(exit) ? "interrupted" : "done"))
      )
      const patient = Effect.andThen(
        Effect.sleep(900),
        Effect.sync(() => void streams.push("done"))
      )
      const { near, ends, close } = yield* served(world, (connection) =>
        Effect.andThen(
          connection.serveStreams((stream) => (stream.id === 0 ? patient : busy)),
          Effect.sleep(300)
        )
      )
      for (const stream of [yield* near.openBidi, yield* near.openBidi]) yield* stream.write(text("x"))
      yield* close
      yield* Effect.sleep(3_000)
      expect(streams).toEqual(["done", "interrupted"])
      expect(ends).toMatchObject([{ exit: Exit.void, millis: 1_300 }])
    }))

  it("has its time too when the connection was over before it began", (world) =>
    Effect.gen(function* () {
      const { client, server, connectOptions } = yield* endpoints(world, options)
      const near = yield* client.connect(connectOptions)
      const stream = yield* near.openUni
      yield* stream.write(text("read me"))
      yield* stream.finish
      yield* near.close(0)
      yield* Effect.sleep(2_000)
      expect(yield* server.tree).toMatchObject({ backlog: 1, connections: [] })
      const heard: Array<string> = []
      yield* Effect.forkScoped(
        server.serveStreams((incoming) =>
          Effect.gen(function* () {
            yield* Effect.sleep(100)
            const bytes = yield* incoming.read()
            heard.push(new TextDecoder().decode(bytes))
            yield* Effect.never
          })
        )
      )
      yield* Effect.sleep(500)
      expect(heard).toEqual(["read me"])
      expect((yield* server.tree).connections).toMatchObject([{ state: "closed", fibers: 2 }])
      yield* Effect.sleep(2_000)
      expect(yield* server.tree).toMatchObject({ connections: [], fibers: 1 })
    }))

  it("ends with the serving that began it", (world) =>
    Effect.gen(function* () {
      const { server, ends, serving, close } = yield* served(world, () => Effect.never)
      yield* close
      yield* Effect.sleep(300)
      yield* Fiber.interrupt(serving)
      expect(ends).toHaveLength(1)
      expect(yield* server.tree).toMatchObject({ connections: [], fibers: 1 })
    }))
})
