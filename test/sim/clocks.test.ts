/** Hosts whose clocks are wrong, and corrected, while QUIC runs on them. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { SimConfigError, type SimHost, SimNetwork } from "../../layers/sim/index.ts"
import type { ServerOptions } from "../../src/index.ts"
import { reasonOf } from "../api/pair.ts"
import type { Place } from "../api/World.ts"
import { ask, echo, makeClient, makeServer, to, visit } from "../resumption/worlds.ts"
import { itSim } from "./itSim.ts"
import { LiveCryptoSuite } from "../io.ts"

const hour = 3_600_000
const day = 24 * hour

const place = (host: SimHost): Place => ({
  host: host.addresses[0],
  layer: Layer.merge(host.layer, LiveCryptoSuite.layer)
})

const hosts = Effect.gen(function* () {
  const network = yield* SimNetwork
  const near = network.host("near", "10.0.0.1")
  const far = network.host("far", "10.0.0.2")
  network.connect(near, far, { delayMillis: 20 })
  return { network, near, far }
})

const scene = Effect.fnUntraced(function* (options: Partial<ServerOptions> = {}) {
  const { network, near, far } = yield* hosts
  const identity = yield* NodeIdentity.developmentCertificate({ days: 825 })
  // starts at a year of uptime, so that clocks can jump backwards
  near.jumpClock(365 * day)
  far.jumpClock(365 * day)
  const server = yield* makeServer(place(far), identity, options)
  yield* Effect.forkScoped(server.serveStreams(echo))
  const client = yield* makeClient(place(near), identity)
  return { network, near, far, server, client }
})

const bytes = new Uint8Array(10_000).fill(7)

describe("the clock of a host", () => {
  itSim("is set and drifts, for its own programs only, and takes no time from anybody's sleep", () =>
    Effect.gen(function* () {
      const { near, far } = yield* hosts
      const start = yield* Clock.currentTimeMillis
      const wall = (host: SimHost) =>
        Effect.map(Effect.provide(Clock.currentTimeMillis, host.layer), (now) => now - start)
      near.jumpClock(hour)
      far.jumpClock(-day)
      far.driftClock(1_000)
      expect(yield* Effect.all([wall(near), wall(far)])).toEqual([hour, -day])
      yield* Effect.sleep("100 seconds").pipe(Effect.provide(near.layer))
      expect(yield* Clock.currentTimeMillis).toBe(start + 100_000)
      expect(yield* Effect.all([wall(near), wall(far)])).toEqual([hour + 100_000, -day + 100_100])
      far.driftClock(-1_000)
      far.jumpClock(day)
      yield* Effect.sleep("1 second")
      expect(yield* wall(far)).toBe(101_099)
      expect(yield* Effect.provide(Clock.monotonicTimeNanos, near.layer)).toBe(101_000_000_000n)
    })
  )

  itSim("is that of the innermost host where layers are nested", () =>
    Effect.gen(function* () {
      const { near, far } = yield* hosts
      near.jumpClock(hour)
      far.jumpClock(day)
      const now = Effect.provide(Effect.provide(Clock.currentTimeMillis, near.layer), far.layer)
      expect((yield* now) - (yield* Clock.currentTimeMillis)).toBe(hour)
    })
  )

  itSim("is set by a schedule of faults, which refuses hosts that there are not", () =>
    Effect.gen(function* () {
      const { network, near } = yield* hosts
      network.apply([{ atMillis: 500, fault: { kind: "clockJump", host: "near", byMillis: -hour } }])
      yield* Effect.sleep("1 second")
      const ahead =
        (yield* Effect.provide(Clock.currentTimeMillis, near.layer)) - (yield* Clock.currentTimeMillis)
      expect(ahead).toBe(-hour)
      const unknown = { atMillis: 0, fault: { kind: "clockJump", host: "nobody", byMillis: 1 } } as const
      expect(() => network.apply([unknown])).toThrow(SimConfigError)
      const endless = { atMillis: 0, fault: { kind: "clockJump", host: "near", byMillis: Infinity } } as const
      expect(() => network.apply([endless])).toThrow(SimConfigError)
    })
  )
})

describe("a clock that jumps", () => {
  for (const side of ["near", "far"] as const)
    for (const [name, byMillis] of [
      ["hours forward", 5 * hour],
      ["hours back", -5 * hour],
      ["years forward", 3 * 365 * day],
      ["years back", -3 * 365 * day]
    ] as const)
      itSim(`${name} at the ${side} end breaks no connection that there is`, () =>
        Effect.gen(function* () {
          const world = yield* scene()
          const connection = yield* world.client.connect(to(world.server))
          for (let i = 0; i < 5; i++) {
            const asking = yield* Effect.forkChild(Effect.scoped(ask(connection, bytes)))
            yield* Effect.sleep(30)
            world[side].jumpClock(byMillis / 5)
            expect((yield* Fiber.join(asking)).length).toBe(10_000)
            yield* Effect.sleep("20 seconds")
          }
          expect(yield* Effect.timeoutOption(connection.closed, "30 seconds")).toMatchObject({ _tag: "None" })
          // a clock jump makes no one idle, and the idle timeout still works
          expect((yield* connection.closed).reason._tag).toBe("IdleTimeout")
        })
      )
})

describe("state dated by a clock", () => {
  itSim(
    "a Retry's token, and that for the next visit, are good however the server's clock jumps meanwhile",
    () =>
      Effect.gen(function* () {
        const { far, client, server } = yield* scene({ retry: "always" })
        for (const byMillis of [-2 * day, 3 * day, -day, 1_000 * day]) {
          const connecting = yield* Effect.forkChild(visit(client, to(server)))
          // a Retry has just been sent
          yield* Effect.sleep(21)
          far.jumpClock(byMillis)
          yield* Fiber.join(connecting)
        }
      })
  )

  itSim(
    "a ticket resumes where clocks disagree, without 0-RTT where its age is not what the client says",
    () =>
      Effect.gen(function* () {
        const { near, far, client, server } = yield* scene({ earlyData: true })
        const again = () =>
          Effect.scoped(
            Effect.gen(function* () {
              const connection = yield* client.connect(to(server, { earlyData: true }))
              expect((yield* ask(connection, bytes)).length).toBe(bytes.length)
              const { resumed, earlyData } = yield* connection.handshakeComplete
              yield* Effect.sleep("300 millis")
              return [resumed, earlyData]
            })
          )
        yield* visit(client, to(server))
        expect(yield* again()).toEqual([true, "accepted"])
        near.jumpClock(2 * hour)
        expect(yield* again()).toEqual([true, "rejected"])
        // tickets of this visit carry the client's current clock
        near.jumpClock(-2 * hour)
        const [resumed, earlyData] = yield* again()
        expect(resumed === false || earlyData === "rejected" || earlyData === "none").toBe(true)
        yield* Effect.scoped(visit(client, to(server)))
        expect(yield* again()).toEqual([true, "accepted"])
        far.jumpClock(-2 * hour)
        expect((yield* again())[1]).not.toBe("accepted")
        far.jumpClock(4 * hour)
        expect((yield* again())[1]).not.toBe("accepted")
      })
  )

  itSim("a ticket that has expired, or is from the future, by either clock, is passed over", () =>
    Effect.gen(function* () {
      const { near, far, client, server } = yield* scene()
      for (const host of [near, far])
        for (const byMillis of [-2 * day, 10 * day]) {
          yield* visit(client, to(server))
          expect((yield* visit(client, to(server))).resumed).toBe(true)
          host.jumpClock(byMillis)
          expect((yield* visit(client, to(server))).resumed).toBe(false)
          expect((yield* visit(client, to(server))).resumed).toBe(true)
        }
    })
  )

  itSim(
    "a certificate is refused by a client whose clock is outside its dates, and taken once that is set right",
    () =>
      Effect.gen(function* () {
        const { near, client, server } = yield* scene()
        near.jumpClock(500 * day)
        expect(yield* reasonOf(client.connect(to(server)))).toMatchObject({
          _tag: "HandshakeRefused",
          origin: "local",
          alert: 45
        })
        near.jumpClock(-1_000 * day)
        expect(yield* reasonOf(client.connect(to(server)))).toMatchObject({
          _tag: "HandshakeRefused",
          origin: "local"
        })
        near.jumpClock(500 * day)
        yield* visit(client, to(server))
      })
  )
})
