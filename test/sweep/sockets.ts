/** Sweeps of sockets over streams. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import type { Socket } from "effect/socket/Socket"
import { QuicSocket, QuicSocketServer } from "../../src/index.ts"
import { endpoints } from "../api/pair.ts"
import type { World } from "../api/World.ts"
import type { Stage, Sweep } from "./sweep.ts"

interface Echoed extends Stage {
  readonly socket: Socket
  /** Connects for each reader. */
  readonly connecting: Socket
  /** Sockets that the server serves now. */
  readonly served: () => number
}

const exchange = (socket: Socket, bytes: number) =>
  Effect.gen(function* () {
    const { pull } = yield* socket.reader
    const { writeAll } = yield* socket.writer
    yield* writeAll(["a", "x".repeat(bytes)])
    for (let arrived = 0; arrived <= bytes; ) arrived += (yield* pull)[0].length
  }).pipe(Effect.scoped)

/** A server that echoes. */
const echoed = (world: World) =>
  Effect.gen(function* () {
    const { client, connectOptions, server } = yield* endpoints(world)
    const open = new Set<Socket>()
    const { run } = yield* QuicSocketServer.make({ endpoint: server })
    yield* Effect.forkScoped(
      run((socket) =>
        Effect.gen(function* () {
          open.add(socket)
          const { pull } = yield* socket.reader
          const { writeAll } = yield* socket.writer
          while (true) yield* writeAll(yield* pull)
        }).pipe(Effect.scoped, Effect.ignore, Effect.ensuring(Effect.sync(() => open.delete(socket))))
      )
    )
    const connection = yield* client.connect(connectOptions)
    const socket = yield* QuicSocket.make({ connection })
    const connecting = yield* QuicSocket.makeConnect({ endpoint: client, ...connectOptions })
    const works = Effect.timeout(exchange(socket, 10), 5_000)
    yield* works
    return {
      endpoints: [client, server],
      works,
      socket,
      connecting,
      served: () => open.size
    } satisfies Echoed
  })

const using = (
  name: string,
  operation: (stage: Echoed) => Effect.Effect<unknown, unknown>,
  stride = 1
): Sweep<Echoed> => ({
  name: `sockets: ${name}`,
  stride,
  stage: echoed,
  operation,
  afterwards: ({ served }) =>
    Effect.andThen(
      Effect.sleep(2_000),
      Effect.sync(() => assert.equal(served(), 0))
    )
})

const sweeps: ReadonlyArray<Sweep<Echoed>> = [
  using("a reader", ({ socket }) => Effect.scoped(socket.reader)),
  using("an exchange", ({ socket }) => exchange(socket, 10)),
  using("a reader that connects", ({ connecting }) => Effect.scoped(connecting.reader), 3),
  using("an exchange over a connection of its own", ({ connecting }) => exchange(connecting, 10), 3)
]

export const socketSweeps = sweeps as unknown as ReadonlyArray<Sweep<never>>
