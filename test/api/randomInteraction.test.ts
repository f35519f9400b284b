/**
 * Two endpoints use the API at random on a bad network, in seeded interleavings. With faults: nothing wrong may be
 * read. Then the network heals, and everything must finish.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { describe, expect } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { QuicConnection, QuicStream } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { endpoints, pattern } from "./pair.ts"
import { badLink } from "./badNetwork.ts"
import { simWorld } from "./World.ts"

const WORKERS = 6
const STREAMS_PER_WORKER = 8

interface Ledger {
  opened: number
  finished: number
  reset: number
  stopped: number
  echoed: number
}

/** The payload of each stream, derived from its ID. */
const payloadOf = (id: number, length: number): Uint8Array => pattern(length, id + 1)

const sleepUpTo = (random: SeededRandom, millis: number) => Effect.sleep(random.below(millis * 1000) / 1000)

/** Opens streams, writes to them, and ends them in every possible way. */
const worker = (connection: QuicConnection, random: SeededRandom, ledger: Ledger) =>
  Effect.gen(function* () {
    for (let i = 0; i < STREAMS_PER_WORKER; i++) {
      yield* sleepUpTo(random, 20)
      if (random.chance(0.1)) yield* connection.updateKeys
      if (random.chance(0.1)) yield* connection.ping
      yield* Effect.scoped(oneStream(connection, random, ledger))
    }
  })

const oneStream = (connection: QuicConnection, random: SeededRandom, ledger: Ledger) =>
  Effect.gen(function* () {
    const stream = yield* random.chance(0.5) ? connection.openBidi : connection.openUni
    ledger.opened++
    yield* stream.setPriority(random.below(3))
    const length = random.below(random.chance(0.2) ? 200_000 : 5_000)
    const payload = payloadOf(stream.id, length)
    const resetAt = random.chance(0.2) ? random.below(length + 1) : Number.POSITIVE_INFINITY
    let sent = 0
    while (sent < length && sent < resetAt) {
      const end = Math.min(length, sent + 1 + random.below(20_000))
      yield* stream.write(payload.slice(sent, end))
      sent = end
      if (random.chance(0.3)) yield* sleepUpTo(random, 10)
    }
    if (sent >= resetAt) {
      ledger.reset++
      return yield* stream.reset(random.below(100))
    }
    yield* stream.finish
    yield* stream.finished
    ledger.finished++
    if (!stream.isUnidirectional) yield* expectEcho(stream, payload, ledger)
  }).pipe(
    Effect.catchReason("QuicError", "StreamStopped", () => Effect.sync(() => void ledger.stopped++)),
    Effect.catchReason("QuicError", "StreamReset", () => Effect.void)
  )

/** Reads to the end and checks that it is a copy of `payload`. */
const expectEcho = (stream: QuicStream, payload: Uint8Array, ledger: Ledger) =>
  Effect.gen(function* () {
    const read = yield* verify(stream, payload, new SeededRandom(stream.id))
    expect(read).toBe(payload.length)
    ledger.echoed++
  })

/** Checks bytes as they arrive; returns how many there were. */
const verify = (stream: QuicStream, payload: Uint8Array, random: SeededRandom) =>
  Effect.gen(function* () {
    let at = 0
    for (;;) {
      const chunk = yield* stream.read(1 + random.below(50_000))
      if (chunk === undefined) return at
      if (Buffer.compare(chunk, payload.subarray(at, at + chunk.length)) !== 0)
        return yield* Effect.die(
          new Error(`stream ${stream.id} differs somewhere in bytes ${at} to ${at + chunk.length}`)
        )
      at += chunk.length
    }
  })

/** Echoes what the peer sends, slowly or fast, completely or not. */
const handler = (seed: string) => (stream: QuicStream) =>
  Effect.gen(function* () {
    const random = new SeededRandom(`${seed} ${stream.id}`)
    const payload = payloadOf(stream.id, 200_000)
    if (random.chance(0.15)) {
      yield* stream.read(1 + random.below(1_000))
      yield* stream.stop(random.below(100))
      return stream.isUnidirectional ? undefined : yield* stream.reset(random.below(100))
    }
    if (random.chance(0.3)) yield* sleepUpTo(random, 50)
    const length = yield* verify(stream, payload, random)
    if (!stream.isUnidirectional) yield* stream.write(payload.slice(0, length))
  }).pipe(Effect.catchReason("QuicError", "StreamReset", () => Effect.void))

describe("two endpoints that use the API at random", () => {
  itSim(
    "read nothing wrong, and come to an end",
    () =>
      Effect.gen(function* () {
        const seed = `${yield* Random.nextInt}`
        const random = new SeededRandom(seed)
        const world = yield* simWorld
        world.cable!.set({ ...badLink, lossRate: 0.03 })
        const transport = {
          handshakeTimeout: 60_000,
          maxBidirectionalStreams: 5,
          maxUnidirectionalStreams: 4,
          streamWindowBytes: 20_000,
          connectionWindowBytes: 50_000,
          sendBufferBytes: 30_000
        }
        const { client, server, connectOptions } = yield* endpoints(world, {
          server: { transport },
          client: { transport }
        })
        const ledgers: Array<Ledger> = []
        const live = (connection: QuicConnection, side: string) =>
          Effect.gen(function* () {
            const ledger: Ledger = { opened: 0, finished: 0, reset: 0, stopped: 0, echoed: 0 }
            ledgers.push(ledger)
            yield* Effect.forkScoped(connection.serveStreams(handler(`${seed} ${side}`)))
            yield* Effect.forEach(
              Array.from({ length: WORKERS }, (_, i) => random.fork(`${side} ${i}`)),
              (each) => worker(connection, each, ledger),
              { concurrency: "unbounded", discard: true }
            )
          })
        yield* Effect.gen(function* () {
          const [near, far] = yield* Effect.all([client.connect(connectOptions), server.accept], {
            concurrency: "unbounded"
          })
          yield* Effect.forkScoped(
            Effect.andThen(
              Effect.sleep("3 seconds"),
              Effect.sync(() => world.cable!.set({ lossRate: 0, corruptRate: 0, reorderRate: 0 }))
            )
          )
          yield* Effect.all([live(near, "near"), live(far, "far")], { concurrency: "unbounded" })
          expect(near.stats.packetsSent).toBeGreaterThan(100)
        }).pipe(Effect.scoped)
        for (const { opened, finished, reset, stopped } of ledgers) {
          expect(opened).toBe(WORKERS * STREAMS_PER_WORKER)
          expect(finished + reset + stopped).toBeLessThanOrEqual(opened)
          expect(finished).toBeGreaterThan(opened / 3)
        }
        yield* Effect.sleep("10 seconds")
        expect(yield* client.connectionCount).toBe(0)
        expect(yield* server.connectionCount).toBe(0)
      }),
    { seeds: 30, interleaving: "seeded", maxVirtualMillis: 600_000 }
  )
})
