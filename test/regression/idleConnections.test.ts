/** What an idle connection retains from its setup. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { queryObjects } from "node:v8"
import { expect } from "vitest"
import { DeadlineHeap } from "../../src/internal/DeadlineHeap.ts"
import type { QuicConnection } from "../../src/index.ts"
import { nothingReceived } from "../../src/recovery/ReceivedPackets.ts"
import { SentPackets } from "../../src/recovery/SentPackets.ts"
import { ReceiveBuffer } from "../../src/stream/ReceiveBuffer.ts"
import { RecordQueue } from "../../src/stream/RecordQueue.ts"
import { SendBuffer } from "../../src/stream/SendBuffer.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { endpoints } from "../api/pair.ts"
import { simulated } from "../api/World.ts"
import { coreOf } from "../inspect.ts"

/** Number of live objects of the same class after garbage collection. */
const countLike = (sample: object): number =>
  queryObjects(sample.constructor as new () => unknown, { format: "count" })

simulated.it("an idle connection retains the fibers that the tree shows, and none that are done", (world) =>
  Effect.gen(function* () {
    const { client, server, connectOptions } = yield* endpoints(world)
    const fiber = yield* Effect.withFiber((self) => Effect.succeed(self))
    const connectOne = Effect.all([client.connect(connectOptions), server.accept], {
      concurrency: "unbounded"
    })
    const shown = Effect.map(
      Effect.all([client.tree, server.tree]),
      (trees) => trees[0].fibers + trees[1].fibers
    )
    // the first connection creates what all share
    yield* connectOne
    yield* Effect.sleep(5_000)
    const before = { alive: countLike(fiber), shown: yield* shown }
    for (let i = 0; i < 10; i++) yield* connectOne
    yield* Effect.sleep(5_000)
    const after = { alive: countLike(fiber), shown: yield* shown }
    expect(after.shown - before.shown).toBe(20)
    expect(after.alive - before.alive).toBe(20)
  })
)

simulated.it("an idle connection retains no buffer of what was sent and has arrived", (world) =>
  Effect.gen(function* () {
    const { client, server, connectOptions } = yield* endpoints(world)
    const connectOne = Effect.all([client.connect(connectOptions), server.accept], {
      concurrency: "unbounded"
    })
    const before = countLike(new SendBuffer())
    for (let i = 0; i < 10; i++) yield* connectOne
    yield* Effect.sleep(5_000)
    expect(countLike(new SendBuffer())).toBe(before)
  })
)

simulated.it("an idle connection keeps packet numbers of one space, and none of the handshake", (world) =>
  Effect.gen(function* () {
    const { client, server, connectOptions } = yield* endpoints(world)
    const connectOne = Effect.all([client.connect(connectOptions), server.accept], {
      concurrency: "unbounded"
    })
    const counts = () => ({
      sent: countLike(new SentPackets(Space.Application)),
      received: countLike(nothingReceived)
    })
    // the first connection creates what all share
    const [connection] = yield* connectOne
    yield* Effect.sleep(5_000)
    const before = counts()
    for (let i = 0; i < 10; i++) yield* connectOne
    yield* Effect.sleep(5_000)
    const after = counts()
    expect(after.sent - before.sent).toBe(20)
    expect(after.received - before.received).toBe(20)
    const peer = coreOf(connection).handshake.peerParameters!
    expect([peer.statelessResetToken, peer.initialSourceConnectionId]).toEqual([undefined, undefined])
  })
)

simulated.it("an idle connection has nothing for streams and datagrams that it never had", (world) =>
  Effect.gen(function* () {
    const { client, server, connectOptions } = yield* endpoints(world)
    const connectOne = Effect.all([client.connect(connectOptions), server.accept], {
      concurrency: "unbounded"
    })
    const samples = [new RecordQueue(1), new DeadlineHeap(), new ReceiveBuffer()]
    yield* connectOne
    yield* Effect.sleep(5_000)
    const before = samples.map(countLike)
    for (let i = 0; i < 10; i++) yield* connectOne
    yield* Effect.sleep(5_000)
    expect(samples.map(countLike)).toEqual(before)
  })
)

simulated.it("connections to peers of one kind share what these have declared", (world) =>
  Effect.gen(function* () {
    const { client, server, connectOptions } = yield* endpoints(world)
    const pair = Effect.all([client.connect(connectOptions), server.accept], { concurrency: "unbounded" })
    const [[one, accepted], [another, alsoAccepted]] = [yield* pair, yield* pair]
    yield* Effect.sleep(5_000)
    const declared = (connection: QuicConnection) => coreOf(connection).handshake.peerParameters
    expect(declared(one)).toBe(declared(another))
    expect(declared(accepted)).toBe(declared(alsoAccepted))
    expect(declared(one)!.maxIdleTimeoutMillis).toBeGreaterThan(0)
    const of = { ...connectOptions, transport: { ...connectOptions.transport, maxIdleTimeout: 7_000 } }
    const [, differing] = yield* Effect.all([client.connect(of), server.accept], { concurrency: "unbounded" })
    yield* Effect.sleep(1_000)
    expect(declared(differing)).toEqual({ ...declared(accepted), maxIdleTimeoutMillis: 7_000 })
  })
)

simulated.it("connections with equal transport options share one object of settings", (world) =>
  Effect.gen(function* () {
    const { client, connectOptions } = yield* endpoints(world)
    const settingsOf = (maxIdleTimeout: Duration.Input) =>
      Effect.map(
        client.connect({ ...connectOptions, transport: { maxIdleTimeout, versions: ["v1"] } }),
        (connection) => coreOf(connection).config.transport
      )
    const first = yield* settingsOf(10_000)
    expect(yield* settingsOf(10_000)).toBe(first)
    const equal = yield* settingsOf(Duration.seconds(10))
    expect(yield* settingsOf(Duration.seconds(10))).toBe(equal)
    expect(yield* settingsOf(20_000)).toMatchObject({ maxIdleTimeoutMillis: 20_000 })
    expect(first).toMatchObject({ maxIdleTimeoutMillis: 10_000 })
  })
)
