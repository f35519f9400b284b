/** A busy program: its own delays must not count against its peers. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Worker } from "node:worker_threads"
import { once } from "node:events"
import { describe, expect, it } from "vitest"
import { UdpPort, type UdpSocket } from "../../src/capability/UdpPort.ts"
import { QuicEndpoint, Trust } from "../../src/index.ts"
import { echo, identity, makeServer, to, worldOfTwo } from "../resumption/worlds.ts"
import { itSim } from "../sim/itSim.ts"
import { port, layerWithoutTrust } from "../io.ts"

const insecure = Layer.merge(layerWithoutTrust, Trust.layerInsecureAcceptsAnyPeer)

/** Blocks the event loop, like a long computation. */
const block = (millis: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}

/** A port that reports when the first datagram has been handed to the system. */
const tellingPort = (onSent: () => void) =>
  Layer.succeed(UdpPort, {
    bind: (options) =>
      Effect.map(port.bind(options), (socket): UdpSocket => {
        const flush = socket.flush.bind(socket)
        socket.flush = () => {
          flush()
          onSent()
        }
        return socket
      })
  })

describe("a client whose event loop was blocked for longer than its handshake timeout", () => {
  it("reads the answer in the socket's buffer before it gives up", async () => {
    const server = new Worker(new URL("answeringServer.ts", import.meta.url))
    try {
      const [port] = await once(server, "message")
      const program = Effect.gen(function* () {
        let sent = () => {}
        const hasSent = new Promise<void>((resolve) => {
          sent = resolve
        })
        const client = yield* Effect.provide(
          QuicEndpoint.make({ host: "127.0.0.1" }),
          tellingPort(() => sent())
        )
        const options = { host: "127.0.0.1", port, alpn: ["test"] }
        const connecting = yield* Effect.forkScoped(
          client.connect({ ...options, transport: { handshakeTimeout: 1_000 } })
        )
        yield* Effect.promise(() => hasSent)
        block(3_000)
        return Exit.isSuccess(yield* Fiber.await(connecting))
      })
      expect(await Effect.runPromise(Effect.scoped(Effect.provide(program, insecure)))).toBe(true)
    } finally {
      await server.terminate()
    }
  })
})

describe("a crowd of connects on one endpoint", () => {
  itSim("begins a few at a time, so that those begun go on meanwhile", () =>
    Effect.gen(function* () {
      const world = yield* worldOfTwo
      const id = yield* yield* identity
      const server = yield* makeServer(world.first, id, { retry: "never" })
      yield* Effect.forkScoped(server.serveStreams(echo))
      const begun: Array<number> = []
      let count = (): number => 0
      const udp = yield* Effect.provide(UdpPort, world.client.layer)
      const watched = Layer.succeed(UdpPort, {
        bind: (options) =>
          Effect.map(udp.bind(options), (socket): UdpSocket => {
            const flush = socket.flush.bind(socket)
            socket.flush = () => {
              flush()
              begun.push(count())
            }
            return socket
          })
      })
      const trust = Layer.provideMerge(
        watched,
        Layer.merge(world.client.layer, Trust.layerInsecureAcceptsAnyPeer)
      )
      const client = yield* Effect.provide(QuicEndpoint.make({ host: world.client.host }), trust)
      count = () => Effect.runSync(client.connectionCount)
      const all = Array.from({ length: 40 }, () => client.connect(to(server)))
      yield* Effect.all(all, { concurrency: "unbounded" })
      expect(begun[0]).toBeLessThanOrEqual(4)
      expect(Math.max(...begun)).toBe(40)
      expect((yield* server.tree).connections).toHaveLength(40)
    })
  )
})
