/** Strangers by the hundred against a server in the simulator: real endpoints, and clients without a real address. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import { Admission, QuicEndpoint, Trust } from "../../src/index.ts"
import { writeConnectionClose } from "../../src/wire/frameWriters.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { Level, PacketType } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { pattern } from "../api/pair.ts"
import { Puppet } from "../connection/Puppet.ts"
import { ask, echo, identity, makeClient, makeServer, to, worldOfTwo } from "../resumption/worlds.ts"
import { itSim } from "../sim/itSim.ts"
import { suite } from "../io.ts"

const scene = Effect.fnUntraced(function* (options: Parameters<typeof makeServer>[2]) {
  const world = yield* worldOfTwo
  const id = yield* yield* identity
  const server = yield* makeServer(world.first, id, options)
  yield* Effect.forkScoped(server.serveStreams(echo))
  const client = yield* makeClient(world.client, id)
  const udp = yield* Effect.provide(UdpPort, world.client.layer)
  const socket = yield* Effect.orDie(udp.bind({ host: world.client.host }))
  const send = (bytes: Uint8Array): void => {
    socket.send(bytes, 0, bytes.length, server.localAddress, 0)
    socket.flush()
  }
  /** What came back, by the type of its first packet. */
  const answers = (): Array<PacketType> => {
    const types: Array<PacketType> = []
    const header = new PacketHeader()
    socket.drain(10_000, ({ bytes }) => {
      if (parsePacketHeader(bytes, 0, bytes.length, 8, header, true)) types.push(header.type)
    })
    return types
  }
  return { world, id, server, client, send, answers }
})

const random = new SeededRandom("flood")

/** A client that only ever sends its first flight, whose ClientHello fits one datagram. */
const strayClient = (options: { readonly alpn?: string } = {}): Puppet => {
  const puppet = new Puppet({
    role: "client",
    suite,
    random: random.bytes,
    identity: undefined,
    groups: [0x001d],
    alpn: [options.alpn ?? "test"]
  })
  puppet.start()
  return puppet
}

const closeOf = (puppet: Puppet): Uint8Array =>
  puppet.packet(Level.Initial, (w) => writeConnectionClose(w, false, 0, 0, new Uint8Array(0)), { size: 1200 })

const retries = (types: ReadonlyArray<PacketType>): number =>
  types.filter((type) => type === PacketType.Retry).length

describe("a flood of handshakes that clients abort", () => {
  for (const [how, end] of [
    ["with CONNECTION_CLOSE", () => [closeOf(strayClient())]],
    ["with no protocol in common", () => strayClient({ alpn: "none" }).outbox]
  ] as const)
    itSim(`${how} is load: it is answered with Retry`, () =>
      Effect.gen(function* () {
        const { server, client, send, answers } = yield* scene({ limits: { retryHandshakes: 20 } })
        const connection = yield* client.connect(to(server))
        yield* Effect.sleep("1 second") // lets the server complete the handshake, too
        const before = yield* server.tree
        for (let i = 0; i < 100; i++) for (const datagram of end()) send(datagram)
        yield* Effect.sleep("1 second")
        expect(retries(answers())).toBe(80)
        // no state is left of any of them
        const { connections, routedIds, fibers } = yield* server.tree
        expect(connections).toHaveLength(1)
        expect(routedIds).toBe(before.routedIds)
        expect(fibers).toBe(before.fibers)
        const sent = pattern(20_000, 1)
        expect(Buffer.compare(yield* ask(connection, sent), sent)).toBe(0)
      })
    )
})

describe("a server", () => {
  itSim("takes no more strangers than it may, and tells the others at once", () =>
    Effect.gen(function* () {
      const { server, client, send } = yield* scene({
        retry: "never",
        limits: { handshakes: 3, waitingClients: 3 }
      })
      const opened = yield* client.connect(to(server))
      yield* Effect.sleep("1 second") // lets the server complete the handshake, too
      // three begin, and three wait
      for (let round = 0; round < 2; round++) {
        for (let i = 0; i < 3; i++) for (const datagram of strayClient().outbox) send(datagram)
        yield* Effect.sleep("200 millis")
      }
      expect((yield* server.tree).strangers).toBe(6)
      const begun = yield* Clock.currentTimeMillis
      const { reason } = yield* Effect.flip(client.connect(to(server)))
      expect(reason).toMatchObject({
        _tag: "TransportClosed",
        origin: "peer",
        code: TransportErrorCode.CONNECTION_REFUSED
      })
      expect((yield* Clock.currentTimeMillis) - begun).toBe(100)
      // existing connections do not notice, and when the strangers time out there is room again
      expect((yield* ask(opened, pattern(100, 2))).length).toBe(100)
      yield* Effect.sleep("6 seconds")
      yield* client.connect(to(server))
      yield* Effect.sleep("6 seconds")
      expect((yield* server.tree).connections).toHaveLength(2)
      expect((yield* server.tree).strangers).toBe(0)
    })
  )

  itSim("admits a client that waits as soon as a handshake in flight is given up", () =>
    Effect.gen(function* () {
      const { server, client, send } = yield* scene({ retry: "never", limits: { handshakes: 1 } })
      for (const datagram of strayClient().outbox) send(datagram)
      yield* Effect.sleep("4 seconds")
      const begun = yield* Clock.currentTimeMillis
      yield* client.connect(to(server))
      // the other's handshake timeout is 5 s, and both had to travel for 50 ms
      expect((yield* Clock.currentTimeMillis) - begun).toBe(1_000 + 2 * 50)
    })
  )

  itSim("whose connections nobody accepts refuses a client before its handshake is done", () =>
    Effect.gen(function* () {
      const world = yield* worldOfTwo
      const id = yield* yield* identity
      const trust = Layer.merge(world.first.layer, Trust.layerRawKeys([]))
      const server = yield* QuicEndpoint.make({
        host: world.first.host,
        port: 4433,
        limits: { acceptBacklog: 1 },
        server: { alpn: ["test"], identity: id }
      }).pipe(Effect.provide(trust))
      const client = yield* makeClient(world.client, id)
      yield* client.connect(to(server))
      yield* Effect.sleep("1 second")
      const { reason } = yield* Effect.flip(client.connect(to(server)))
      expect(reason).toMatchObject({ origin: "peer", code: TransportErrorCode.CONNECTION_REFUSED })
      yield* server.accept
      yield* client.connect(to(server))
    })
  )

  itSim("does not answer addresses that its Admission does not admit", () =>
    Effect.gen(function* () {
      const world = yield* worldOfTwo
      const id = yield* yield* identity
      const clientHost = world.client.host
      const blockList = Layer.succeed(Admission, ({ host }) => host !== clientHost)
      const server = yield* Effect.provide(makeServer(world.first, id), blockList)
      const client = yield* makeClient(world.client, id)
      const { reason } = yield* Effect.flip(client.connect(to(server)))
      expect(reason._tag).toBe("HandshakeTimeout")
      const { dropped, statelessReplies } = yield* server.statistics
      expect(dropped.rejected).toBeGreaterThan(1)
      expect(Object.values(statelessReplies)).toEqual([0, 0, 0, 0])
    })
  )

  itSim("is asked for a limit that makes sense", () =>
    Effect.gen(function* () {
      const world = yield* worldOfTwo
      const id = yield* yield* identity
      for (const handshakes of [0, 1_000_001, 1.5]) {
        const { reason } = yield* Effect.flip(makeServer(world.first, id, { limits: { handshakes } }))
        expect(reason).toMatchObject({ _tag: "InvalidOption", field: "limits.handshakes" })
      }
    })
  )
})
