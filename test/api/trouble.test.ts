/** Endpoints on a network that fails at the worst moment. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import type { SimConnection } from "../../layers/sim/SimNetwork.ts"
import type { SimPacket } from "../../layers/sim/SimPacket.ts"
import { itSim } from "../sim/itSim.ts"
import { endpoints, pair, pattern, readAll, readText, reasonOf, text } from "./pair.ts"
import { simWorld } from "./World.ts"

const stage = Effect.map(simWorld, (world) => ({ world, cable: world.cable! }))

const patience = { transport: { handshakeTimeout: 60_000 } }
const patient = { client: patience, server: patience }

/** Counts UDP payload bytes that arrive in each direction. */
const meter = (cable: SimConnection) => {
  const bytes = { toServer: 0, toClient: 0 }
  cable.forward.rewrite = (packet: SimPacket) => {
    bytes.toServer += packet.bytes.length
    return packet
  }
  cable.backward.rewrite = (packet: SimPacket) => {
    bytes.toClient += packet.bytes.length
    return packet
  }
  return bytes
}

describe("a handshake", () => {
  for (const lost of [1, 2, 3, 5, 8])
    itSim(`completes when the server's first ${lost} datagrams are lost`, () =>
      Effect.gen(function* () {
        const { world, cable } = yield* stage
        cable.backward.dropIf = (_, index) => index < lost
        const { near, far } = yield* pair(world, patient)
        const stream = yield* near.openUni
        yield* stream.write(text("made it"))
        yield* stream.finish
        expect(yield* readText(yield* far.acceptUni)).toBe("made it")
      })
    )

  for (const lost of [1, 2, 3, 5])
    itSim(`completes when the client's datagrams ${lost} to ${lost + 2} are lost`, () =>
      Effect.gen(function* () {
        const { world, cable } = yield* stage
        cable.forward.dropIf = (_, index) => index >= lost && index < lost + 3
        const { near, far } = yield* pair(world, patient)
        // until the lost ones are behind it
        while (cable.forward.counters.entered < lost + 3) yield* near.ping
        yield* near.close(3, "")
        expect((yield* far.closed).reason).toMatchObject({ code: 3 })
      })
    )

  itSim("is confirmed though HANDSHAKE_DONE is lost", () =>
    Effect.gen(function* () {
      const { world, cable } = yield* stage
      const { client, server, connectOptions } = yield* endpoints(world)
      const accepting = yield* Effect.forkScoped(server.accept)
      const near = yield* client.connect(connectOptions)
      // drops everything from now on, including the answer to the client's Finished
      const from = cable.backward.counters.entered
      cable.backward.dropIf = (_, index) => index < from + 3
      yield* Fiber.join(accepting)
      yield* Effect.sleep("2 seconds")
      yield* near.updateKeys // which waits for confirmation
      yield* near.ping
      yield* Effect.sleep("1 second")
      yield* near.ping
      yield* Effect.sleep("1 second")
      expect(near.stats.keyUpdates).toBe(1)
    })
  )
})

describe("a server", () => {
  itSim("sends no more than three times what a client sent that falls silent", () =>
    Effect.gen(function* () {
      const { world, cable } = yield* stage
      const bytes = meter(cable)
      const { client, connectOptions, server } = yield* endpoints(world, {
        server: { transport: { handshakeTimeout: 60_000 } }
      })
      cable.forward.dropIf = (_, index) => index >= 2
      // succeeds for the client, which has the server's flight
      yield* client.connect(connectOptions)
      let most = 0
      for (let i = 0; i < 300; i++) {
        yield* Effect.sleep("100 millis")
        most = Math.max(most, bytes.toClient / bytes.toServer)
      }
      expect(most).toBeGreaterThan(0.5)
      expect(most).toBeLessThanOrEqual(3)
      yield* Effect.sleep("60 seconds")
      expect(yield* server.connectionCount).toBe(0)
    })
  )

  itSim("that has forgotten a connection resets it, and the client believes it", () =>
    Effect.gen(function* () {
      const { world, cable } = yield* stage
      const bytes = meter(cable)
      const { near, far, server } = yield* pair(world)
      yield* Effect.sleep("1 second")
      cable.set({ up: false })
      yield* far.closeNow(1, "nobody hears this")
      yield* Effect.sleep("10 seconds")
      expect(yield* server.connectionCount).toBe(0)
      cable.set({ up: true })
      const before = { ...bytes }
      yield* near.ping
      expect((yield* near.closed).reason).toMatchObject({ _tag: "StatelessReset" })
      expect(bytes.toClient - before.toClient).toBeLessThan(bytes.toServer - before.toServer)
      expect(yield* reasonOf(near.openBidi)).toMatchObject({ _tag: "StatelessReset" })
    })
  )
})

describe("a connection", () => {
  itSim("outlives an outage shorter than its idle timeout", () =>
    Effect.gen(function* () {
      const { world, cable } = yield* stage
      const { near, far } = yield* pair(world)
      const sent = pattern(1_000_000)
      const stream = yield* near.openUni
      yield* Effect.forkScoped(Effect.andThen(stream.write(sent), stream.finish))
      const reading = yield* Effect.forkScoped(Effect.flatMap(far.acceptUni, readAll))
      yield* Effect.sleep("25 millis")
      cable.set({ up: false })
      yield* Effect.sleep("20 seconds")
      cable.set({ up: true })
      expect(Buffer.compare(yield* Fiber.join(reading), sent)).toBe(0)
    })
  )

  itSim("falls idle on both sides when the cable is cut", () =>
    Effect.gen(function* () {
      const { world, cable } = yield* stage
      const { near, far } = yield* pair(world, {
        client: { transport: { maxIdleTimeout: 5_000, keepAliveInterval: 1_000 } }
      })
      yield* Effect.sleep("2 seconds")
      cable.set({ up: false })
      const start = yield* Clock.currentTimeMillis
      const ends = yield* Effect.all([near.closed, far.closed], { concurrency: "unbounded" })
      expect(ends.map((end) => end.reason._tag)).toEqual(["IdleTimeout", "IdleTimeout"])
      expect((yield* Clock.currentTimeMillis) - start).toBeLessThan(7_000)
    })
  )

  itSim("goes on when one direction is dead while keys change, longer than old keys are kept", () =>
    Effect.gen(function* () {
      const { world, cable } = yield* stage
      const { near, far } = yield* pair(world)
      const down = yield* far.openUni
      yield* down.write(pattern(100_000))
      const reading = yield* near.acceptUni
      let received = 0
      while (received < 100_000) received += (yield* reading.read())!.length
      yield* Effect.sleep("1 second")
      // the client updates keys with only ACKs to send, which the server does not receive
      cable.forward.set({ up: false })
      yield* near.updateKeys
      yield* down.write(pattern(400_000))
      yield* Effect.sleep("5 seconds")
      cable.forward.set({ up: true })
      while (received < 500_000) received += (yield* reading.read())!.length
      expect(near.stats.keyUpdates).toBe(1)
      expect(far.stats.keyUpdates).toBe(1)
    })
  )

  itSim(
    "changes keys again and again in a lossy transfer",
    () =>
      Effect.gen(function* () {
        const { world, cable } = yield* stage
        const { near, far } = yield* pair(world)
        cable.set({ lossRate: 0.05, duplicateRate: 0.05, reorderRate: 0.1, reorderMillis: 30 })
        const sent = pattern(2_000_000)
        const stream = yield* near.openUni
        yield* Effect.forkScoped(Effect.andThen(stream.write(sent), stream.finish))
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(near.updateKeys, Effect.sleep("150 millis"))))
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(far.updateKeys, Effect.sleep("230 millis"))))
        const received = yield* Effect.flatMap(far.acceptUni, readAll)
        expect(Buffer.compare(received, sent)).toBe(0)
        expect(near.stats.keyUpdates).toBeGreaterThan(5)
      }),
    { seeds: 5 }
  )

  itSim("finds the largest datagram the path carries, and a smaller one when that shrinks", () =>
    Effect.gen(function* () {
      const { world, cable } = yield* stage
      const { near, far } = yield* pair(world, { client: { transport: { maxDatagramBytes: 1_452 } } })
      yield* Effect.sleep("1 second")
      expect(near.stats.datagramBytes).toBe(1_452)
      cable.set({ mtu: 1_300 })
      const sent = pattern(500_000)
      const stream = yield* near.openUni
      yield* Effect.forkScoped(Effect.andThen(stream.write(sent), stream.finish))
      const received = yield* Effect.flatMap(far.acceptUni, readAll)
      expect(Buffer.compare(received, sent)).toBe(0)
      expect(near.stats.datagramBytes).toBeLessThanOrEqual(1_272)
    })
  )

  itSim("tells of a datagram that was lost", () =>
    Effect.gen(function* () {
      const { world, cable } = yield* stage
      const datagrams = { transport: { maxDatagramFrameBytes: 65_535 } }
      const { near } = yield* pair(world, { client: datagrams, server: datagrams })
      yield* Effect.sleep("1 second")
      cable.forward.set({ lossRate: 1 })
      const asking = yield* Effect.forkChild(near.deliverDatagram(text("gone")))
      yield* Effect.sleep("10 millis")
      cable.forward.set({ lossRate: 0 })
      expect(yield* Fiber.join(asking)).toBe("lost")
    })
  )

  itSim("sends on when the system takes no datagrams for a while", () =>
    Effect.gen(function* () {
      const { world } = yield* stage
      const { near, far } = yield* pair(world)
      const stream = yield* near.openUni
      const sent = pattern(300_000)
      yield* Effect.forkScoped(Effect.andThen(stream.write(sent), stream.finish))
      const reading = yield* Effect.forkScoped(Effect.flatMap(far.acceptUni, readAll))
      for (let i = 0; i < 10; i++) {
        world.clientHost!.takeDatagrams(false)
        yield* Effect.sleep("20 millis")
        world.clientHost!.takeDatagrams(true)
        yield* Effect.sleep("5 millis")
      }
      expect(Buffer.compare(yield* Fiber.join(reading), sent)).toBe(0)
      expect(near.stats.packetsLost).toBe(0)
    })
  )
})
