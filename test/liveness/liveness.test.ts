/** Liveness over connections: cuts are noticed, and nothing else is taken for one. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { Liveness, type QuicConnection, type TransportOptions } from "../../src/index.ts"
import { endpoints, pair, pattern, reasonOf } from "../api/pair.ts"
import { live, simulated, type World } from "../api/World.ts"

/** Whether the peer was ever suspected. */
const watched = Effect.fnUntraced(function* (
  connection: QuicConnection,
  options: Liveness.LivenessOptions = {}
) {
  const liveness = yield* Liveness.make(connection, options)
  const seen: Array<string> = []
  yield* Effect.forkScoped(
    Stream.runForEach(liveness.changes, ({ _tag }) => Effect.sync(() => seen.push(_tag)))
  )
  yield* Effect.yieldNow
  return { liveness, seen }
})

/** 100 kbit/s over 100 ms, with a queue of ten times what is in flight, a second, and losses. */
const bottleneck = { delayMillis: 50, bitsPerSecond: 100e3, queueBytes: 12_500, lossRate: 0.05 }

const cut = (world: World): Effect.Effect<void> => Effect.sync(() => world.cable!.set({ up: false }))
const heal = (world: World): Effect.Effect<void> => Effect.sync(() => world.cable!.set({ up: true }))

/** Sends as much as fits. */
const saturate = (connection: QuicConnection) =>
  Effect.gen(function* () {
    const stream = yield* connection.openUni
    const block = pattern(16_384)
    yield* Effect.forever(stream.write(block))
  }).pipe(Effect.scoped, Effect.forkScoped)

const drink = (connection: QuicConnection) =>
  Effect.forkScoped(connection.serveStreams((stream) => Stream.runDrain(stream.readable)))

const transport: TransportOptions = { congestion: "bbr", maxIdleTimeout: 60_000 }
const patient = { server: { transport }, client: { transport } }

/** Time until the peer is suspected. */
const untilSuspected = (liveness: Liveness.Liveness) =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    yield* Stream.runHead(Stream.filter(liveness.changes, ({ _tag }) => _tag === "Suspected"))
    return (yield* Clock.currentTimeMillis) - begun
  })

describe("C8: liveness", () => {
  simulated.it("notices a cut in 4 to 5 s, and the peer's return at once", (world) =>
    Effect.gen(function* () {
      const { near } = yield* pair(world, patient)
      const { liveness, seen } = yield* watched(near)
      yield* Effect.sleep("60 seconds")
      expect(yield* liveness.suspicion).toMatchObject({ _tag: "Alive" })
      yield* cut(world)
      const took = yield* untilSuspected(liveness)
      expect(took).toBeGreaterThan(3_000)
      expect(took).toBeLessThan(5_000)
      expect((yield* liveness.suspicion).phi).toBeGreaterThanOrEqual(8)
      yield* heal(world)
      yield* Effect.sleep("1500 millis")
      expect(yield* liveness.suspicion).toMatchObject({ _tag: "Alive" })
      expect(seen).toEqual(["Alive", "Suspected", "Alive"])
    })
  )

  simulated.it("asks for signs of life only if there is nothing else, and once per heartbeat", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world, patient)
      yield* drink(far)
      yield* Effect.sleep("10 seconds")
      yield* watched(near)
      const sent = () => near.stats.packetsSent
      const before = sent()
      yield* Effect.sleep("20500 millis")
      expect(sent() - before).toBeGreaterThanOrEqual(17)
      expect(sent() - before).toBeLessThanOrEqual(20)
      // the acknowledgements of these are signs of life
      const stream = yield* near.openUni
      const busy = sent()
      for (let i = 0; i < 200; i++) {
        yield* stream.write(pattern(10))
        yield* Effect.sleep("100 millis")
      }
      expect(sent() - busy).toBeLessThanOrEqual(201)
    })
  )

  simulated.it("is not alarmed by a saturated link with losses, and notices its cut", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world, patient)
      world.cable!.set(bottleneck)
      const [here, there] = [yield* watched(near), yield* watched(far)]
      yield* drink(far)
      yield* saturate(near)
      yield* Effect.sleep("1 hour")
      expect(near.stats.packetsLost).toBeGreaterThan(1000)
      expect([here.seen, there.seen]).toEqual([["Alive"], ["Alive"]])
      yield* cut(world)
      const took = yield* Effect.all([untilSuspected(here.liveness), untilSuspected(there.liveness)], {
        concurrency: 2
      })
      for (const millis of took) {
        expect(millis).toBeGreaterThan(3_000)
        expect(millis).toBeLessThan(8_000)
      }
    })
  )

  simulated.it(
    "is not alarmed when a saturated link falls quiet, nor by losses when there are only heartbeats",
    (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, patient)
        world.cable!.set({ ...bottleneck, lossRate: 0 })
        const [here, there] = [yield* watched(near), yield* watched(far)]
        yield* drink(far)
        const bulk = yield* saturate(near)
        yield* Effect.sleep("60 seconds")
        yield* Fiber.interrupt(bulk)
        world.cable!.set({ lossRate: 0.05 })
        yield* Effect.sleep("1 hour")
        expect([here.seen, there.seen]).toEqual([["Alive"], ["Alive"]])
      })
  )

  simulated.it("is not alarmed when this process has stood still", (world) =>
    Effect.gen(function* () {
      const { near } = yield* pair(world, patient)
      const clock = yield* Clock.Clock
      let sleepsUntil = 0
      /** Nothing wakes before `sleepsUntil`. */
      const stalling: Clock.Clock = {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        currentTimeMillis: clock.currentTimeMillis,
        currentTimeNanos: clock.currentTimeNanos,
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration: Duration.Duration) =>
          Effect.andThen(
            clock.sleep(duration),
            Effect.suspend(() =>
              Effect.sleep(Math.max(0, sleepsUntil - clock.currentTimeMillisUnsafe())).pipe(
                Effect.provideService(Clock.Clock, clock)
              )
            )
          )
      }
      const { seen } = yield* Effect.provideService(watched(near), Clock.Clock, stalling)
      yield* Effect.sleep("10 seconds")
      // what has arrived meanwhile is not read until then
      sleepsUntil = clock.currentTimeMillisUnsafe() + 20_000
      yield* cut(world)
      yield* Effect.sleep("20 seconds")
      yield* heal(world)
      yield* Effect.sleep("10 seconds")
      expect(seen).toEqual(["Alive"])
    })
  )

  live.it("is not alarmed when the event loop is blocked", (world) =>
    Effect.gen(function* () {
      const { near } = yield* pair(world)
      const { seen, liveness } = yield* watched(near, {
        heartbeat: 20,
        acceptablePause: 100,
        minDeviation: 10
      })
      const { silenceMillis } = yield* Effect.delay(liveness.suspicion, "200 millis")
      expect(silenceMillis).toBeLessThan(200)
      for (const end = Date.now() + 1500; Date.now() < end; );
      yield* Effect.sleep("200 millis")
      expect(seen).toEqual(["Alive"])
    })
  )

  simulated.it("ends with its connection and with its scope, and refuses bad options", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      expect(yield* reasonOf(Liveness.make(near, { heartbeat: 5 }))).toMatchObject({
        _tag: "InvalidOption",
        field: "heartbeat"
      })
      const ofScope = yield* Effect.scoped(Effect.map(Liveness.make(near), ({ changes }) => changes))
      yield* Stream.runDrain(ofScope)
      const { changes } = yield* Liveness.make(near)
      yield* far.close()
      yield* Stream.runDrain(changes)
    })
  )
})

describe("C8: a quarantine", () => {
  simulated.it(
    "ends the connection at once, and the quarantined learns of it as soon as it is heard again",
    (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const { liveness } = yield* watched(near)
        yield* cut(world)
        yield* untilSuspected(liveness)
        yield* liveness.quarantine("handed over")
        const here = yield* near.closed
        expect(here.reason).toMatchObject({ _tag: "ApplicationClosed", code: Liveness.quarantined })
        yield* Effect.sleep("15 seconds")
        yield* heal(world)
        yield* Effect.ignore(far.ping)
        const there = yield* far.closed
        expect(there.reason).toMatchObject({ origin: "peer", problem: "handed over" })
        expect(Liveness.isQuarantine(there)).toBe(true)
      })
  )

  simulated.it("of a peer's connection lets it connect again, by its policy", (world) =>
    Effect.gen(function* () {
      const { client, server, connectOptions } = yield* endpoints(world)
      yield* Effect.forkScoped(server.serveStreams(() => Effect.void))
      const peer = yield* client.peer(connectOptions)
      const before = yield* peer.connection
      yield* Effect.sleep(1_000)
      const liveness = yield* Liveness.make(before)
      yield* cut(world)
      yield* untilSuspected(liveness)
      yield* liveness.quarantine()
      yield* Effect.sleep(100)
      yield* heal(world)
      const after = yield* peer.connection
      expect(after === before).toBe(false)
      yield* after.handshakeComplete
    })
  )

  simulated.it("leaves nothing behind once the peer must have given up the connection", (world) =>
    Effect.gen(function* () {
      const { near, client } = yield* pair(world, {
        client: { transport: { maxIdleTimeout: 10_000 } }
      })
      const { liveness } = yield* watched(near)
      yield* cut(world)
      yield* liveness.quarantine()
      yield* Effect.sleep("9 seconds")
      expect(yield* client.connectionCount).toBe(1)
      yield* Effect.sleep("2 seconds")
      expect(yield* client.connectionCount).toBe(0)
    })
  )
})
