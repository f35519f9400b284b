/** 0-RTT through the API: when it arrives, what happens when it is rejected, and protection against replay. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { describe, expect } from "vitest"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import type { QuicConnection, QuicEndpointShape, QuicStream, ServerOptions } from "../../src/index.ts"
import { layerReplayGuard, layerTicketKeys } from "../../src/Resumption.ts"
import { pattern, text } from "../api/pair.ts"
import { live } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"
import { ask, DELAY_MILLIS, echo, identity, makeClient, makeServer, to, visit, worldOfTwo } from "./worlds.ts"

const RTT = 2 * DELAY_MILLIS
const secret = Redacted.make(new Uint8Array(32).fill(3))

/** What a server has observed. */
interface Log {
  streams: number
  bytes: number
  firstByteMillis: number
  /** `facts.earlyData` and whether the handshake was complete, at each stream's first byte. */
  readonly arrivals: Array<readonly [string, boolean]>
}

const newLog = (): Log => ({ streams: 0, bytes: 0, firstByteMillis: -1, arrivals: [] })

/** Echoes, and records. */
const recordingEcho =
  (log: Log) =>
  (stream: QuicStream, connection: QuicConnection): Effect.Effect<void, never> =>
    Effect.gen(function* () {
      log.streams++
      let isFirst = true
      for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read()) {
        if (log.firstByteMillis < 0) log.firstByteMillis = yield* Clock.currentTimeMillis
        if (isFirst) log.arrivals.push([connection.facts.earlyData, connection.facts.resumed])
        isFirst = false
        log.bytes += bytes.length
        yield* stream.write(bytes)
      }
      yield* stream.finish
    }).pipe(Effect.ignore)

const serve = Effect.fnUntraced(function* (server: QuicEndpointShape, log: Log) {
  yield* Effect.forkScoped(server.serveStreams(recordingEcho(log)))
})

const scene = Effect.fnUntraced(function* (
  options: Partial<ServerOptions> = {},
  second: Partial<ServerOptions> = {}
) {
  const world = yield* worldOfTwo
  const id = yield* yield* identity
  // built once: both servers share keys and replay guard
  const shared = yield* Layer.build(
    Layer.merge(Layer.orDie(Layer.provide(layerTicketKeys({ secret }), world.first.layer)), layerReplayGuard)
  )
  const sharing = Layer.succeedContext(shared)
  const servers = [
    yield* makeServer(world.first, id, { earlyData: true, ...options }, sharing),
    yield* makeServer(world.second, id, { earlyData: true, ...options, ...second }, sharing)
  ] as const
  const logs = [newLog(), newLog()] as const
  yield* serve(servers[0], logs[0])
  yield* serve(servers[1], logs[1])
  const client = yield* makeClient(world.client, id)
  return { world, id, servers, logs, client }
})

const early = (server: QuicEndpointShape) => to(server, { earlyData: true })

describe("0-RTT data", () => {
  itSim("is at the server half a round trip after the client began, and answered after one", () =>
    Effect.gen(function* () {
      const { servers, logs, client } = yield* scene()
      yield* visit(client, to(servers[0]))
      const begun = yield* Clock.currentTimeMillis
      const connection = yield* client.connect(early(servers[0]))
      expect(connection.facts).toMatchObject({ earlyData: "pending", resumed: true, alpn: "test" })
      expect((yield* ask(connection, text("at once"))).toString()).toBe("at once")
      expect((yield* Clock.currentTimeMillis) - begun).toBe(RTT)
      expect(logs[0].firstByteMillis - begun).toBe(DELAY_MILLIS)
      expect(logs[0].arrivals).toEqual([["accepted", true]])
      expect(yield* connection.handshakeComplete).toMatchObject({ earlyData: "accepted", resumed: true })
    })
  )

  itSim("is what a carrier marks as replay-safe, and nothing else", () =>
    Effect.gen(function* () {
      const transport = { maxDatagramFrameBytes: 1_200 }
      const { servers, logs, client } = yield* scene({ transport })
      yield* visit(client, to(servers[0], { transport }))
      for (const replaySafe of [false, true]) {
        const begun = yield* Clock.currentTimeMillis
        const connection = yield* client.connect(to(servers[0], { earlyData: true, transport }))
        expect(connection.facts.earlyData).toBe("pending")
        logs[0].firstByteMillis = -1
        const claim = yield* connection.claimDatagrams(1)
        const stream = yield* connection.openStream({ replaySafe })
        yield* stream.write(text("?"))
        yield* claim.send(text("?"), { replaySafe })
        expect((yield* Clock.currentTimeMillis) - begun).toBe(replaySafe ? 0 : RTT)
        yield* stream.read()
        expect(logs[0].firstByteMillis - begun).toBe(replaySafe ? DELAY_MILLIS : RTT + DELAY_MILLIS)
      }
      const begun = yield* Clock.currentTimeMillis
      const connection = yield* client.connect(to(servers[0], { earlyData: true, transport }))
      const claim = yield* connection.claimDatagrams(1)
      yield* claim.send(text("?"))
      expect((yield* Clock.currentTimeMillis) - begun).toBe(RTT)
    })
  )

  itSim("is an ordinary connection without a ticket", () =>
    Effect.gen(function* () {
      const { servers, client } = yield* scene()
      const connection = yield* client.connect(early(servers[0]))
      expect(connection.facts).toMatchObject({ earlyData: "none", resumed: false })
    })
  )

  itSim("is not tried when the server's tickets do not allow it", () =>
    Effect.gen(function* () {
      const { servers, client } = yield* scene({ earlyData: false })
      yield* visit(client, to(servers[0]))
      const connection = yield* client.connect(early(servers[0]))
      expect(connection.facts).toMatchObject({ earlyData: "none", resumed: true })
    })
  )

  // RFC 9000 §7.4.1 #4
  itSim("fills what the server granted last time, and goes on after the handshake", () =>
    Effect.gen(function* () {
      const { servers, logs, client } = yield* scene({
        transport: { connectionWindowBytes: 20_000, streamWindowBytes: 8_000 }
      })
      yield* visit(client, to(servers[0]))
      const connection = yield* client.connect(early(servers[0]))
      const sent = pattern(200_000)
      expect(Buffer.compare(yield* ask(connection, sent), sent)).toBe(0)
      expect(connection.facts.earlyData).toBe("accepted")
      expect(logs[0].bytes).toBe(sent.length)
    })
  )

  // RFC 9000 §7.4.1 #8
  itSim("waits when it opens more streams than were granted", () =>
    Effect.gen(function* () {
      const { servers, client } = yield* scene({ transport: { maxBidirectionalStreams: 3 } })
      yield* visit(client, to(servers[0]))
      const connection = yield* client.connect(early(servers[0]))
      const answers = yield* Effect.forEach(
        [1, 2, 3, 4, 5, 6, 7, 8],
        (i) => Effect.map(Effect.scoped(ask(connection, text(`stream ${i}`))), String),
        { concurrency: "unbounded" }
      )
      expect(answers).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((i) => `stream ${i}`))
    })
  )

  // RFC 9221 §3 #1
  itSim("carries datagrams", () =>
    Effect.gen(function* () {
      const world = yield* worldOfTwo
      const id = yield* yield* identity
      const transport = { maxDatagramFrameBytes: 1200 }
      const server = yield* makeServer(world.first, id, { earlyData: true, transport })
      const client = yield* makeClient(world.client, id)
      yield* Effect.forkScoped(server.serve((connection) => Effect.scoped(Effect.ignore(connection.closed))))
      yield* visit(client, to(server))
      yield* visit(client, to(server))
      const begun = yield* Clock.currentTimeMillis
      const connection = yield* client.connect(early(server))
      yield* connection.sendDatagram(text("unreliable"))
      const facts = yield* connection.handshakeComplete
      expect(facts.earlyData).toBe("accepted")
      expect((yield* Clock.currentTimeMillis) - begun).toBe(RTT)
    })
  )

  itSim(
    "survives loss, reordering and a Retry",
    () =>
      Effect.gen(function* () {
        const { world, servers, client } = yield* scene({ retry: "always" })
        yield* visit(client, to(servers[0]))
        // address tokens run out before tickets do: this visit meets a Retry
        for (let i = 0; i < 2; i++) yield* visit(client, to(servers[0]))
        world.cable.set({ lossRate: 0.1, reorderRate: 0.2, duplicateRate: 0.1 })
        for (let i = 0; i < 10; i++) {
          const sent = pattern(30_000, i + 1)
          const connection = yield* client.connect(early(servers[0]))
          expect(Buffer.compare(yield* ask(connection, sent), sent)).toBe(0)
        }
      }),
    { seeds: 10 }
  )

  itSim("can end in a reset that still delivers its beginning", () =>
    Effect.gen(function* () {
      const { servers, logs, client } = yield* scene()
      yield* visit(client, to(servers[0]))
      const connection = yield* client.connect(early(servers[0]))
      const stream = yield* connection.openBidi
      yield* stream.write(pattern(5_000))
      yield* stream.reset(3, { deliver: 1_000 })
      expect((yield* connection.handshakeComplete).earlyData).toBe("accepted")
      yield* Effect.sleep("1 second")
      expect(logs[0].bytes).toBe(1_000)
    })
  )

  itSim("can be followed by an end at once", () =>
    Effect.gen(function* () {
      const { servers, logs, client } = yield* scene()
      yield* visit(client, to(servers[0]))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* client.connect(early(servers[0]))
          const stream = yield* connection.openUni
          yield* stream.write(text("and gone"))
        })
      )
      yield* Effect.sleep("1 second")
      expect(logs[0].bytes).toBe(8)
    })
  )
})

describe("rejected 0-RTT data", () => {
  /** 40 kB to a server that refuses; not one byte may be missing, and none seen before the handshake was complete. */
  const resent = Effect.fnUntraced(function* (
    client: QuicEndpointShape,
    server: QuicEndpointShape,
    log: Log
  ) {
    const connection = yield* client.connect(early(server))
    expect(connection.facts.earlyData).toBe("pending")
    const sent = [pattern(40_000, 1), pattern(40_000, 2), pattern(40_000, 3)]
    const answers = yield* Effect.forEach(sent, (bytes) => ask(connection, bytes), {
      concurrency: "unbounded"
    })
    for (const [i, bytes] of sent.entries()) expect(Buffer.compare(answers[i], bytes)).toBe(0)
    expect(log.arrivals.map(([outcome]) => outcome)).toEqual(["rejected", "rejected", "rejected"])
    expect(log.bytes).toBe(120_000)
    return yield* connection.handshakeComplete
  })

  // RFC 9001 §4.6.2 #1 #2
  itSim("because the server takes none any more, goes out again", () =>
    Effect.gen(function* () {
      const { servers, logs, client } = yield* scene({}, { earlyData: false })
      yield* visit(client, to(servers[0]))
      const facts = yield* resent(client, servers[1], logs[1])
      expect(facts).toMatchObject({ earlyData: "rejected", resumed: true })
    })
  )

  // RFC 9000 §7.4.1 #5 #6 #7
  itSim("because the server grants less than it did, goes out again within the new limits", () =>
    Effect.gen(function* () {
      const { servers, logs, client } = yield* scene(
        {},
        { transport: { connectionWindowBytes: 16_384, streamWindowBytes: 2_000, maxBidirectionalStreams: 2 } }
      )
      yield* visit(client, to(servers[0]))
      const facts = yield* resent(client, servers[1], logs[1])
      expect(facts).toMatchObject({ earlyData: "rejected", resumed: true })
    })
  )

  itSim("because the ticket is unknown, goes out again after a handshake in full", () =>
    Effect.gen(function* () {
      const { world, id, servers, client } = yield* scene()
      // a server of the same name and port that shares nothing
      const host = { ...world.second, host: "10.0.0.3" }
      const stranger = yield* makeServer(host, id, { earlyData: true }, undefined, 5555)
      const known = yield* makeServer(world.first, id, { earlyData: true }, undefined, 5555)
      const log = newLog()
      yield* serve(stranger, log)
      yield* serve(known, newLog())
      yield* visit(client, to(known))
      const facts = yield* resent(client, stranger, log)
      expect(facts).toMatchObject({ earlyData: "rejected", resumed: false })
      void servers
    })
  )

  itSim("is not refused for want of a key share: the client sends the one that served before", () =>
    Effect.gen(function* () {
      const { servers, client } = yield* scene({ groups: ["secp384r1"] })
      yield* visit(client, to(servers[0]))
      const connection = yield* client.connect(early(servers[0]))
      expect(yield* connection.handshakeComplete).toMatchObject({ earlyData: "accepted" })
    })
  )

  itSim("by a HelloRetryRequest, goes out again", () =>
    Effect.gen(function* () {
      const { servers, logs, client } = yield* scene({}, { groups: ["secp384r1"] })
      yield* visit(client, to(servers[0]))
      const facts = yield* resent(client, servers[1], logs[1])
      expect(facts).toMatchObject({ earlyData: "rejected", resumed: true })
    })
  )

  itSim(
    "arrives whole however much is lost on the way",
    () =>
      Effect.gen(function* () {
        const { world, id, client } = yield* scene()
        const stranger = yield* makeServer(world.first, id, {}, undefined, 6666)
        const other = yield* makeServer(world.second, id, { earlyData: true }, undefined, 6666)
        const log = newLog()
        yield* serve(stranger, log)
        yield* visit(client, to(other))
        world.cable.set({ lossRate: 0.1, reorderRate: 0.2, duplicateRate: 0.1 })
        yield* resent(client, stranger, log)
      }),
    { seeds: 10 }
  )
})

describe("a replayed first flight", () => {
  /** Records what the client sends to a server until stopped. */
  const tap = (link: { rewrite: ((packet: never) => never) | undefined }) => {
    const flight: Array<Uint8Array> = []
    let isOn = true
    link.rewrite = ((packet: { readonly bytes: Uint8Array }) => {
      if (isOn) flight.push(packet.bytes.slice())
      return packet
    }) as never
    return {
      flight,
      stop: () => {
        isOn = false
      }
    }
  }

  const replay = Effect.fnUntraced(function* (
    world: Effect.Success<typeof worldOfTwo>,
    flight: ReadonlyArray<Uint8Array>,
    server: QuicEndpointShape
  ) {
    const udp = yield* Effect.provide(UdpPort, world.client.layer)
    const socket = yield* udp.bind({ host: world.client.host })
    for (const bytes of flight) socket.send(bytes, 0, bytes.length, server.localAddress, 0)
    socket.flush()
  })

  // RFC 9001 §9.2 #1
  itSim("is not read again, neither by the same server nor by one that shares its keys and guard", () =>
    Effect.gen(function* () {
      const { world, servers, logs, client } = yield* scene()
      yield* visit(client, to(servers[0]))
      const { flight, stop } = tap(world.cable.forward as never)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* client.connect(early(servers[0]))
          yield* ask(connection, text("pay 100"))
          stop()
          expect(connection.facts.earlyData).toBe("accepted")
        })
      )
      expect(logs[0]).toMatchObject({ streams: 1, bytes: 7 })
      // a replay to a live connection is only a duplicate, so waits until that is forgotten
      yield* Effect.sleep("5 seconds")
      for (const server of servers) {
        yield* replay(world, flight, server)
        yield* Effect.sleep("1 second")
      }
      expect(logs[0]).toMatchObject({ streams: 1, bytes: 7 })
      expect(logs[1]).toMatchObject({ streams: 0, bytes: 0 })
      yield* Effect.sleep("20 seconds")
      yield* replay(world, flight, servers[1])
      yield* Effect.sleep("1 second")
      expect(logs[1]).toMatchObject({ streams: 0, bytes: 0 })
    })
  )

  itSim("can be read by a server that has keys, and no guard, in common: why the guard must be shared", () =>
    Effect.gen(function* () {
      const { world, id, servers, client } = yield* scene()
      const keys = Layer.orDie(Layer.provide(layerTicketKeys({ secret }), world.second.layer))
      const careless = yield* makeServer(world.second, id, { earlyData: true }, keys, 7777)
      const log = newLog()
      yield* serve(careless, log)
      yield* visit(client, to(servers[0]))
      const { flight, stop } = tap(world.cable.forward as never)
      const connection = yield* client.connect(early(servers[0]))
      yield* ask(connection, text("pay 100"))
      stop()
      yield* replay(world, flight, careless)
      yield* Effect.sleep("1 second")
      expect(log).toMatchObject({ streams: 1, bytes: 7 })
    })
  )

  itSim("is not read by a server that has just come up, and cannot know what was read before", () =>
    Effect.gen(function* () {
      const { world, id, servers, client } = yield* scene()
      yield* visit(client, to(servers[0]))
      const keys = Layer.orDie(Layer.provide(layerTicketKeys({ secret }), world.second.layer))
      const restarted = yield* makeServer(world.second, id, { earlyData: true }, keys, 7777)
      const log = newLog()
      yield* serve(restarted, log)
      const { flight, stop } = tap(world.cable.forward as never)
      const connection = yield* client.connect(early(servers[0]))
      yield* ask(connection, text("pay 100"))
      stop()
      yield* replay(world, flight, restarted)
      yield* Effect.sleep("1 second")
      expect(log).toMatchObject({ streams: 0, bytes: 0 })
    })
  )
})

describe("over real sockets", () => {
  live.it("0-RTT data is accepted once, and answered", (world) =>
    Effect.gen(function* () {
      const id = yield* yield* identity
      const server = yield* makeServer(world.server, id, { earlyData: true }, undefined, 0)
      yield* Effect.forkScoped(server.serveStreams(echo))
      const client = yield* makeClient(world.client, id)
      yield* visit(client, to(server))
      const connection = yield* client.connect(early(server))
      expect((yield* ask(connection, text("at once"))).toString()).toBe("at once")
      expect(yield* connection.handshakeComplete).toMatchObject({ earlyData: "accepted", resumed: true })
    })
  )
})
