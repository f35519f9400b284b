/** What addresses a client can connect to, how they can be written, and errors for unreachable ones. */
import { networkInterfaces } from "node:os"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import * as NodeEntropy from "../../layers/node/NodeEntropy.ts"
import { UdpPort, type UdpSocket } from "../../src/capability/UdpPort.ts"
import { QuicEndpoint, type QuicEndpointShape, type QuicError } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { interposed } from "../udp/interposed.ts"
import { type Endpoints, endpoints, pinned } from "./pair.ts"
import { live, type Place, simWorld, type World } from "./World.ts"
import { LiveCryptoSuite, LiveUdpPort } from "../io.ts"

const link = Object.entries(networkInterfaces())
  .flatMap(([name, all = []]) => all.map(({ address, scopeid }) => ({ address, name, scopeid })))
  .find(({ scopeid }) => scopeid)

const liveLayer = Layer.mergeAll(LiveUdpPort.layer, LiveCryptoSuite.layer, NodeEntropy.layer)

const serverOn = (world: World, host: string): Effect.Effect<Endpoints, QuicError, Scope.Scope> =>
  endpoints({ ...world, server: { ...world.server, host } })

/** A client without a bound address. */
const anyClient = (
  world: World,
  { identity }: Endpoints
): Effect.Effect<QuicEndpointShape, QuicError, Scope.Scope> =>
  QuicEndpoint.make().pipe(Effect.provide(Layer.merge(world.client.layer, pinned(identity))))

const connects = Effect.fnUntraced(function* (
  world: World,
  bound: string,
  ...written: ReadonlyArray<string>
) {
  const both = yield* serverOn(world, bound)
  const client = yield* anyClient(world, both)
  for (const host of written) {
    const connection = yield* client.connect({ ...both.connectOptions, host })
    expect(connection.remoteAddress.host, host).toBe(both.server.localAddress.host)
    yield* connection.close()
  }
})

const refusal = (client: QuicEndpointShape, host: string, port = 443) =>
  Effect.map(
    Effect.flip(Effect.scoped(client.connect({ host, port, alpn: ["test"] }))),
    ({ reason }) => reason
  )

describe("a client connects", () => {
  live.it("to an IPv6 address however that is written", (world) =>
    connects(world, "::1", "::1", "0:0:0:0:0:0:0:1", "0000::0001", "::0.0.0.1")
  )

  live.it("to an IPv4 address however that is written", (world) =>
    connects(world, "127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", "::FFFF:7f00:1")
  )

  live.it("to a server that was bound by another way to write its address", (world) =>
    connects(world, "::ffff:127.0.0.1", "127.0.0.1")
  )

  it.skipIf(link === undefined)(
    "to a link-local address by the name and by the number of its interface",
    () => {
      const { address, name, scopeid } = link!
      const place: Place = { host: "::1", layer: liveLayer }
      const world: World = { server: place, client: place, cable: undefined, clientHost: undefined }
      return Effect.runPromise(
        Effect.scoped(connects(world, `${address}%${name}`, `${address}%${name}`, `${address}%${scopeid}`))
      )
    }
  )
})

describe("a client is told at once", () => {
  for (const [host, words] of [
    ["0.0.0.0", "nobody's"],
    ["::", "nobody's"],
    ["0:0::0", "nobody's"],
    ["255.255.255.255", "broadcast"],
    ["224.0.0.251", "multicast"],
    ["ff02::1", "multicast"]
  ])
    live.it(`that there is nobody at ${host}`, (world) =>
      Effect.gen(function* () {
        const client = yield* anyClient(world, yield* serverOn(world, "127.0.0.1"))
        const reason = yield* refusal(client, host)
        expect(reason._tag).toBe("Unreachable")
        expect(reason.message).toContain(words)
      })
    )

  live.it("that its socket is of another family", (world) =>
    Effect.gen(function* () {
      const { client } = yield* serverOn(world, "127.0.0.1")
      expect((yield* refusal(client, "2001:db8::1")).message).toBe(
        "cannot reach [2001:db8::1]:443: it is an IPv6 address, and the socket is bound to 127.0.0.1"
      )
    })
  )

  live.it(
    "what the system refuses: a broadcast address of its network, and what its own address has no way to",
    (world) =>
      Effect.gen(function* () {
        const { client } = yield* serverOn(world, "127.0.0.1")
        for (const host of ["127.255.255.255", "203.0.113.5"]) {
          const reason = yield* refusal(client, host)
          expect(reason._tag, host).toBe("Unreachable")
          expect(reason.message).toContain(`${host}:443`)
        }
        expect((yield* refusal(client, "127.255.255.255")).message).toContain("EACCES")
      })
  )

  itSim("that there is no route, and the endpoint serves on", () =>
    Effect.gen(function* () {
      const both = yield* endpoints(yield* simWorld)
      const before = yield* both.client.tree
      expect(yield* refusal(both.client, "192.0.2.77")).toMatchObject({
        _tag: "Unreachable",
        address: "192.0.2.77:443",
        problem: expect.stringContaining("no route")
      })
      expect((yield* both.client.tree).connections).toEqual(before.connections)
      const connection = yield* both.client.connect(both.connectOptions)
      yield* connection.close()
    })
  )
})

describe("a client whose handshake timed out", () => {
  const busy = (socket: UdpSocket): UdpSocket => {
    let tell: Parameters<UdpSocket["onRefused"]>[0] = () => {}
    const refusing = interposed(socket, {
      send: (...[, , , to]) => tell(to, "send ENOBUFS", false),
      flush: () => {}
    })
    refusing.onRefused = (listener) => void (tell = listener)
    return refusing
  }

  itSim("learns what the system had against sending, if it had anything", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const busyPort = Layer.effect(
        UdpPort,
        Effect.map(
          UdpPort,
          (udp) => ({ bind: (options) => Effect.map(udp.bind(options), busy) }) as typeof udp
        )
      )
      const layer = Layer.merge(world.client.layer, Layer.provide(busyPort, world.client.layer))
      const both = yield* endpoints({ ...world, client: { ...world.client, layer } })
      const error = yield* Effect.flip(both.client.connect(both.connectOptions))
      expect(error.reason).toMatchObject({ _tag: "HandshakeTimeout", socketError: "send ENOBUFS" })
      expect(error.message).toContain("send ENOBUFS")
    })
  )
})
