/** C6: the addresses of a name are raced. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { QuicEndpointShape } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { inventory } from "../sweep/inventory.ts"
import { dualStack, FOUR, PORT, SIX } from "./happyEyeballs.ts"
import { reasonOf } from "./pair.ts"

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const since = yield* Clock.currentTimeMillis
    const value = yield* effect
    return { value, millis: (yield* Clock.currentTimeMillis) - since }
  })

/** Long enough for everything that was closed to be forgotten. */
const QUIET_MILLIS = 10_000

const snapshots = (endpoints: ReadonlyArray<QuicEndpointShape>) =>
  Effect.forEach(endpoints, (endpoint) => Effect.map(endpoint.tree, inventory))

describe("C6 connecting to a name with an address of each family", () => {
  itSim("prefers IPv6 when both answer, and never tries IPv4", () =>
    Effect.gen(function* () {
      const { client, options, servers } = yield* dualStack()
      const { value, millis } = yield* timed(client.connect(options))
      expect(value.remoteAddress.host).toBe(SIX)
      expect(millis).toBeLessThan(250)
      expect((yield* servers.four.tree).connections).toHaveLength(0)
    })
  )

  itSim("reaches IPv4 within the attempt delay and a handshake when IPv6 is black-holed", () =>
    Effect.gen(function* () {
      const { client, options, network } = yield* dualStack()
      network.partition([["client"], ["six"]])
      const { value, millis } = yield* timed(client.connect(options))
      expect(value.remoteAddress.host).toBe(FOUR)
      expect(millis).toBeGreaterThanOrEqual(250)
      expect(millis).toBeLessThan(250 + 100)
    })
  )

  itSim("waits as long for an address as attemptDelay says", () =>
    Effect.gen(function* () {
      const { client, options, network } = yield* dualStack()
      network.partition([["client"], ["six"]])
      const { millis } = yield* timed(client.connect({ ...options, attemptDelay: 1_000 }))
      expect(millis).toBeGreaterThanOrEqual(1_000)
      expect(millis).toBeLessThan(1_100)
      expect(yield* reasonOf(client.connect({ ...options, attemptDelay: 9 }))).toMatchObject({
        _tag: "InvalidOption",
        field: "attemptDelay"
      })
    })
  )

  itSim("takes the first that completes; nothing is left of the other, whose answer comes later", () =>
    Effect.gen(function* () {
      const { client, options, servers } = yield* dualStack({ sixMillis: 400 })
      const all = [client, servers.six, servers.four]
      const before = yield* snapshots(all)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* client.connect(options)
          const far = yield* servers.four.accept
          expect(connection.remoteAddress.host).toBe(FOUR)
          yield* Effect.sleep(QUIET_MILLIS)
          expect((yield* client.tree).connections).toHaveLength(1)
          expect((yield* servers.six.tree).connections).toHaveLength(0)
          yield* connection.ping
          yield* connection.close()
          yield* far.closed
        })
      )
      yield* Effect.sleep(QUIET_MILLIS)
      expect(yield* snapshots(all)).toEqual(before)
    })
  )

  itSim("tries the address that answered last first", () =>
    Effect.gen(function* () {
      const { client, options, network } = yield* dualStack()
      const heal = network.partition([["client"], ["six"]])
      yield* Effect.scoped(client.connect(options))
      heal()
      const { value, millis } = yield* timed(client.connect(options))
      expect(value.remoteAddress.host).toBe(FOUR)
      expect(millis).toBeLessThan(100)
    })
  )

  itSim("fails with one error that names every address and why it failed", () =>
    Effect.gen(function* () {
      const { client, options, servers, network } = yield* dualStack()
      const before = yield* snapshots([client, servers.six])
      network.partition([["client"], ["six"]])
      const reason = yield* reasonOf(client.connect({ ...options, alpn: ["other"] }))
      expect(reason).toMatchObject({
        _tag: "ConnectFailed",
        host: "both.example",
        attempts: [
          { address: `[${SIX}]:${PORT}`, problem: expect.stringContaining("handshake") },
          { address: `${FOUR}:${PORT}`, problem: expect.stringContaining("no application protocol") }
        ]
      })
      yield* Effect.sleep(QUIET_MILLIS)
      expect(yield* snapshots([client, servers.six])).toEqual(before)
    })
  )

  itSim("gives up after connectTimeout, and leaves nothing", () =>
    Effect.gen(function* () {
      const { client, options, network } = yield* dualStack()
      const before = yield* snapshots([client])
      network.partition([["client"], ["six", "four"]])
      const { value, millis } = yield* timed(reasonOf(client.connect({ ...options, connectTimeout: 400 })))
      expect(millis).toBe(400)
      expect(value).toMatchObject({
        _tag: "ConnectFailed",
        attempts: [{ problem: "no answer in time" }, { problem: "no answer in time" }]
      })
      yield* Effect.sleep(QUIET_MILLIS)
      expect(yield* snapshots([client])).toEqual(before)
    })
  )

  itSim("tries at most sixteen addresses", () =>
    Effect.gen(function* () {
      const { client, options } = yield* dualStack()
      const reason = yield* reasonOf(client.connect({ ...options, host: "many.example", attemptDelay: 10 }))
      expect(reason).toMatchObject({
        _tag: "ConnectFailed",
        attempts: expect.toSatisfy(({ length }) => length === 16)
      })
    })
  )

  itSim("sends 0-RTT to an address that has answered; one that does not answer any more is forgotten", () =>
    Effect.gen(function* () {
      const { client, options, network } = yield* dualStack()
      const again = { ...options, earlyData: true }
      yield* Effect.scoped(Effect.andThen(client.connect(again), Effect.sleep(500)))
      const heal = network.partition([["client"], ["six"]])
      const early = yield* timed(client.connect(again))
      expect(early.millis).toBe(0)
      expect(early.value.remoteAddress.host).toBe(SIX)
      expect((yield* Effect.flip(early.value.handshakeComplete)).reason._tag).toBe("HandshakeTimeout")
      const sure = yield* timed(client.connect(again))
      expect(sure.value.remoteAddress.host).toBe(FOUR)
      expect(sure.millis).toBeGreaterThanOrEqual(250)
      heal()
    })
  )

  itSim("is raced for a Peer too", () =>
    Effect.gen(function* () {
      const { client, options, network } = yield* dualStack()
      network.partition([["client"], ["six"]])
      const peer = yield* client.peer(options)
      const { value, millis } = yield* timed(
        peer.use((connection) => Effect.succeed(connection.remoteAddress.host))
      )
      expect(value).toBe(FOUR)
      expect(millis).toBeLessThan(250 + 100)
    })
  )
})
