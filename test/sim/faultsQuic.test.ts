/** Whole connections, and the programs that use them, under faults. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { Entropy } from "../../src/capability/Entropy.ts"
import { Identity, QuicEndpoint, type TransportOptions, Trust } from "../../src/index.ts"
import { pair, reasonOf, text } from "../api/pair.ts"
import { transfer } from "../migration/transfer.ts"
import { itSim } from "./itSim.ts"
import { LiveCryptoSuite } from "../io.ts"

const MEGABYTE = 1_000_000

/** A client and an echo server that restarts after every crash, on two hosts with a router in between. */
const world = Effect.fnUntraced(function* (transport: TransportOptions = {}) {
  const network = yield* SimNetwork
  const core = network.router("core")
  const near = network.host("client", "10.0.0.1")
  const far = network.host("server", "10.0.0.2")
  network.connect(near, core, { delayMillis: 5, bitsPerSecond: 20e6 })
  network.connect(far, core, { delayMillis: 5, bitsPerSecond: 20e6 })
  const identity = yield* Identity.generateRawKey.pipe(
    Effect.provide(Layer.merge(far.layer, LiveCryptoSuite.layer))
  )
  const capabilities = Layer.merge(LiveCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
  const starts = yield* Ref.make(0)
  const echo = Effect.gen(function* () {
    yield* Ref.update(starts, (count) => count + 1)
    const server = yield* QuicEndpoint.make({ port: 4433, server: { alpn: ["echo"], identity, transport } })
    yield* server.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
  }).pipe(Effect.provide(capabilities))
  const client = yield* QuicEndpoint.make().pipe(Effect.provide(Layer.merge(near.layer, capabilities)))
  const connect = client.connect({ host: "10.0.0.2", port: 4433, alpn: ["echo"], transport })
  return { network, near, far, echo, starts, connect }
})

describe("a connection", () => {
  itSim("outlives a partition that is shorter than its patience, and loses nothing", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const core = network.router("core")
      const client = network.host("client", "10.0.0.1")
      const server = network.host("server", "10.0.0.2")
      for (const host of [client, server])
        network.connect(host, core, { delayMillis: 5, bitsPerSecond: 20e6 })
      const ends = yield* pair({
        client: { host: "10.0.0.1", layer: Layer.merge(client.layer, LiveCryptoSuite.layer) },
        server: { host: "10.0.0.2", layer: Layer.merge(server.layer, LiveCryptoSuite.layer) },
        cable: undefined,
        clientHost: client
      })
      const cut = Effect.sync(() => {
        network.apply([
          { atMillis: 0, fault: { kind: "partition", groups: [["client"], ["server"]], forMillis: 10_000 } },
          { atMillis: 20_000, fault: { kind: "linkDown", link: "client-core", forMillis: 5_000 } }
        ])
      })
      yield* transfer(ends, MEGABYTE, [[0.4, cut]])
      yield* Effect.sleep("20 seconds")
      yield* transfer(ends, MEGABYTE)
    })
  )

  for (const tooLarge of ["drop", "icmp"] as const)
    itSim(
      `finds the largest datagram past routers (${tooLarge}), and a smaller one when the way changes`,
      () =>
        Effect.gen(function* () {
          const { network, far, echo, connect } = yield* world()
          const narrow = (mtu: number) =>
            network.apply([
              { atMillis: 0, fault: { kind: "conditions", link: "client-core", conditions: { tooLarge } } },
              {
                atMillis: 0,
                fault: { kind: "conditions", link: "server-core", conditions: { mtu, tooLarge } }
              }
            ])
          narrow(1400)
          yield* Effect.forkScoped(far.run(echo))
          const connection = yield* connect
          const echoes = Effect.fnUntraced(function* (bytes: number) {
            const stream = yield* connection.openBidi
            yield* Effect.forkScoped(Effect.andThen(stream.write(new Uint8Array(bytes)), stream.finish))
            return yield* Stream.runFold(
              stream.readable,
              () => 0,
              (total, chunk) => total + chunk.length
            )
          })
          expect(yield* echoes(MEGABYTE)).toBe(MEGABYTE)
          for (let i = 0; i < 10; i++) {
            yield* Effect.sleep("1 second")
            yield* echoes(10_000)
          }
          expect(connection.stats.datagramBytes).toBe(1400 - 28)
          narrow(1280)
          expect(yield* echoes(MEGABYTE)).toBe(MEGABYTE)
          expect(connection.stats.datagramBytes).toBeLessThanOrEqual(1280 - 28)
        })
    )

  const transport = { maxIdleTimeout: 10_000 }

  itSim(
    "to a server that restarts with another key runs into its idle timeout, and the next one finds it",
    () =>
      Effect.gen(function* () {
        const { network, far, echo, starts, connect } = yield* world(transport)
        yield* Effect.forkScoped(far.run(echo))
        const connection = yield* connect
        network.apply([{ atMillis: 0, fault: { kind: "crash", host: "server", forMillis: 500 } }])
        yield* Effect.sleep(1000)
        expect(yield* Ref.get(starts)).toBe(2)
        const stream = yield* connection.openBidi
        yield* stream.write(text("are you there?"))
        expect((yield* reasonOf(stream.read()))._tag).toBe("IdleTimeout")
        const again = yield* connect
        const next = yield* again.openBidi
        yield* next.write(text("and now?"))
        yield* next.finish
        expect(yield* Stream.mkString(Stream.decodeText(next.readable))).toBe("and now?")
      })
  )

  itSim("to a server that restarts with the same key is soon reset", () =>
    Effect.gen(function* () {
      const { network, far, echo, connect } = yield* world(transport)
      // Entropy that restarts with every run: the endpoint derives the same stateless reset key.
      const life = Effect.suspend(() =>
        Effect.provideService(echo, Entropy, { randomBytes: new SeededRandom("the server's disk").bytes })
      )
      yield* Effect.forkScoped(far.run(life))
      const connection = yield* connect
      // Until the handshake is confirmed, the client does not retransmit lost application data.
      yield* Effect.sleep(200)
      network.apply([{ atMillis: 0, fault: { kind: "crash", host: "server", forMillis: 500 } }])
      yield* Effect.sleep(1000)
      const stream = yield* connection.openBidi
      yield* stream.write(text("are you there?"))
      const before = yield* Clock.currentTimeMillis
      expect((yield* reasonOf(stream.read()))._tag).toBe("StatelessReset")
      expect((yield* Clock.currentTimeMillis) - before).toBeLessThan(1000)
    })
  )
})
