/** An endpoint's tree: its contents, and that it shrinks back once everything is over. */
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { FiberTree } from "../../src/index.ts"
import { endpoints, pair, text } from "../api/pair.ts"
import { live, simulated } from "../api/World.ts"

for (const universe of [live, simulated]) {
  universe.it(`${universe.name}: a tree shows connections, paths and streams, and who serves them`, (world) =>
    Effect.gen(function* () {
      const { client, server, near, far } = yield* pair(world)
      yield* Effect.forkScoped(far.serveStreams((stream) => Effect.andThen(stream.read(), Effect.never)))
      const stream = yield* near.openBidi
      yield* stream.write(text("hello"))
      yield* Effect.sleep(300)
      const tree = yield* server.tree
      expect(tree).toMatchObject({ state: "open", sockets: 1, peers: [] })
      expect(tree.connections).toHaveLength(1)
      const [connection] = tree.connections
      expect(connection).toMatchObject({ role: "server", state: "established", version: 1 })
      expect(connection.fiber).toBeTypeOf("number")
      expect(connection.paths).toMatchObject([
        { id: 0, routes: [{ isCurrent: true, remote: client.localAddress }] }
      ])
      const [served] = connection.streams
      expect(served).toMatchObject({
        id: stream.id,
        receiving: { state: "open", bytes: 5, bufferedBytes: 0 }
      })
      expect(served.fiber).toBeTypeOf("number")
      const printed = FiberTree.print(tree)
      expect(printed).toContain("├─ path 0 · ")
      expect(printed).toContain("└─ stream 0 · ")
      expect(printed.split("\n")).toHaveLength(4)
    })
  )

  universe.it(`${universe.name}: nothing is left of a connection that is over`, (world) =>
    Effect.gen(function* () {
      const { client, server, connectOptions } = yield* endpoints(world)
      const before = [yield* client.tree, yield* server.tree]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const [near, far] = yield* Effect.all([client.connect(connectOptions), server.accept], {
            concurrency: "unbounded"
          })
          yield* Effect.forkScoped(far.serveStreams((stream) => Effect.ignore(stream.read())))
          const stream = yield* near.openBidi
          yield* stream.write(text("hello"))
          yield* stream.finish
          yield* near.migrate({ host: world.client.host })
        })
      )
      // closing and draining last three PTOs, and the new path has no RTT sample
      yield* Effect.sleep(5_000)
      const after = [yield* client.tree, yield* server.tree]
      for (const [i, { connections, fibers, sockets, routedIds, backlog }] of after.entries())
        expect({ connections, fibers, sockets, routedIds, backlog }).toEqual({
          connections: [],
          fibers: before[i].fibers,
          sockets: 1,
          routedIds: 0,
          backlog: 0
        })
    })
  )
}

simulated.it("interrupting a migration leaves the connection where it was, and no socket", (world) =>
  Effect.gen(function* () {
    const { client, near, far } = yield* pair(world)
    yield* Effect.sleep(200)
    const before = yield* client.tree
    world.cable?.set({ lossRate: 1 })
    expect(yield* Effect.timeoutOption(near.migrate({ host: world.client.host }), 50)).toMatchObject({
      _tag: "None"
    })
    world.cable?.set({ lossRate: 0 })
    yield* Effect.sleep(2_000)
    const after = yield* client.tree
    expect(after.sockets).toBe(1)
    expect(after.fibers).toBe(before.fibers)
    expect(after.connections[0].paths[0].routes).toHaveLength(1)
    const stream = yield* near.openUni
    yield* stream.write(text("still here"))
    const received = yield* far.acceptUni
    expect(yield* received.read()).toEqual(text("still here"))
  })
)
