import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import * as Layer from "effect/Layer"
import type { QuicConnection, QuicError } from "../../src/index.ts"
import { pair, type PairOptions, reasonOf } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { connected } from "./connected.ts"
import { transfer } from "./transfer.ts"
import { LiveCryptoSuite } from "../io.ts"

const MEGABYTE = 1_000_000

/** Other IDs if there are any yet: the peer may not have retired, or not have replaced, those of the last change. */
const rotated = ({ rotateConnectionIds }: QuicConnection): Effect.Effect<void, QuicError> =>
  rotateConnectionIds.pipe(
    Effect.catchReason("QuicError", "RotationPending", () => Effect.void),
    Effect.catchReason("QuicError", "NoSpareConnectionId", () => Effect.void)
  )

describe("a NAT that gives the client", () => {
  itSim("another port loses nothing of a transfer", () =>
    Effect.gen(function* () {
      const ends = yield* connected({}, true)
      const { port } = ends.far.remoteAddress
      const rebind = Effect.sync(() => ends.nat.rebind())
      yield* transfer(ends, 2 * MEGABYTE, [
        [0.2, rebind],
        [0.5, rebind],
        [0.7, rebind]
      ])
      expect(ends.far.remoteAddress.port).toBeGreaterThan(port)
      expect(ends.nat.mappings.map(({ outside }) => outside)).toEqual([ends.far.remoteAddress])
    })
  )

  itSim("another address loses nothing of a transfer", () =>
    Effect.gen(function* () {
      const ends = yield* connected({}, true)
      const rebind = (host: string) => Effect.sync(() => ends.nat.rebind(host))
      yield* transfer(ends, 2 * MEGABYTE, [
        [0.2, rebind("192.0.2.7")],
        [0.6, rebind("192.0.2.8")]
      ])
      expect(ends.far.remoteAddress.host).toBe("192.0.2.8")
    })
  )
})

describe("a connection that migrates", () => {
  itSim("moves once the server has answered there", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      yield* transfer(ends, 2 * MEGABYTE, [
        [0.2, ends.near.migrate({ host: "10.0.1.1" })],
        [0.5, ends.near.migrate({ host: "10.0.0.1", port: 7001 })],
        [0.8, ends.near.migrate()]
      ])
      expect(ends.far.remoteAddress.port).not.toBe(7001)
      expect(ends.client.localAddress.host).toBe("10.0.0.1")
    })
  )

  itSim("says so when the server does not answer there, and stays", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      ends.other.set({ up: false })
      expect(yield* reasonOf(ends.near.migrate({ host: "10.0.1.1" }))).toMatchObject({
        _tag: "MigrationFailed"
      })
      yield* transfer(ends, MEGABYTE)
      expect(ends.far.remoteAddress.host).toBe("10.0.0.1")
    })
  )

  itSim("A4 races several places, and takes the one of the lowest rank among those that answer", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      const wifi = { host: "10.0.1.1", label: "wifi", rank: 1 }
      const cable = { host: "10.0.0.1", label: "cable", rank: 2 }
      const sockets = () => ends.client.tree.pipe(Effect.map(({ sockets }) => sockets))
      const before = yield* sockets()
      // the cable is faster
      ends.other.set({ delayMillis: 20 })
      yield* ends.near.migrate([cable, wifi])
      expect(ends.near.paths[0].local.host).toBe("10.0.1.1")
      ends.other.set({ up: false })
      yield* ends.near.migrate([cable, wifi])
      expect(ends.near.paths[0].local.host).toBe("10.0.0.1")
      yield* transfer(ends, MEGABYTE)
      const commits = yield* ends.near.migrations.pipe(
        Stream.filter(({ _tag }) => _tag === "Committed"),
        Stream.take(2),
        Stream.runCollect
      )
      expect(commits.map(({ candidate }) => candidate?.label)).toEqual(["wifi", "cable"])
      // the endpoint's own and the one in use: those of the losers, and of places it has left, are closed
      yield* Effect.sleep(5_000)
      expect(yield* sockets()).toBe(before + 1)
    })
  )

  itSim("A4 fails when none of several places is answered, and says which option is wrong", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      ends.other.set({ up: false })
      const places = [{ host: "10.0.1.1" }, { host: "10.0.1.1" }]
      expect(yield* reasonOf(ends.near.migrate(places))).toMatchObject({
        _tag: "MigrationFailed",
        outcome: "TimedOut"
      })
      expect(yield* reasonOf(ends.near.migrate([]))).toMatchObject({ _tag: "InvalidOption" })
      expect(yield* reasonOf(ends.near.migrate([{ rank: -1 }]))).toMatchObject({ field: "0.rank" })
    })
  )

  // RFC 9000 §9 #2
  itSim("is refused on a server, and by one that forbids it", () =>
    Effect.gen(function* () {
      const ends = yield* connected({ server: { transport: { disableActiveMigration: true } } })
      const _tag = "MigrationFailed"
      expect(yield* reasonOf(ends.far.migrate())).toMatchObject({ _tag, outcome: "NotClient" })
      expect(yield* reasonOf(ends.near.migrate())).toMatchObject({ _tag, outcome: "Disabled" })
    })
  )

  // RFC 9000 §5.1.1 #S3
  itSim("moves a hundred times without running out of connection IDs", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      for (let i = 0; i < 100; i++) yield* ends.near.migrate({ host: i % 2 === 0 ? "10.0.1.1" : "10.0.0.1" })
      yield* transfer(ends, MEGABYTE)
    })
  )
})

describe("on a network that loses, reorders and duplicates", () => {
  const bad = { lossRate: 0.05, reorderRate: 0.05, duplicateRate: 0.02, jitterMillis: 5 }

  itSim(
    "a transfer survives NATs that forget, migrations and rebinding, one after the other",
    () =>
      Effect.gen(function* () {
        const ends = yield* connected({ client: { transport: { congestion: "bbr" } } }, true)
        ends.cable.set(bad)
        ends.other.set(bad)
        yield* transfer(ends, MEGABYTE, [
          [0.1, Effect.sync(() => ends.nat.rebind())],
          [0.2, Effect.sync(() => ends.nat.rebind("192.0.2.7"))],
          [0.3, Effect.ignore(ends.near.migrate({ host: "10.0.1.1" }))],
          [0.5, rotated(ends.near)],
          [0.6, ends.client.rebind({ host: "10.0.0.1", port: 9000 })],
          [0.8, Effect.ignore(ends.near.migrate({ host: "10.0.1.1" }))]
        ])
      }),
    { seeds: 15 }
  )
})

describe("a server with a preferred address", () => {
  const preferring = Effect.gen(function* () {
    const network = yield* SimNetwork
    const client = network.host("client", "10.0.0.1")
    const server = network.host("server", "10.0.0.2", "10.0.0.3")
    const conditions = { delayMillis: 10, bitsPerSecond: 20e6 }
    const cable = network.connect(client, server, conditions)
    const preferredCable = network.connect(client, server, { ...conditions, to: "10.0.0.3" })
    const around = {
      cable,
      preferredCable,
      clientHost: client,
      client: { host: "10.0.0.1", layer: Layer.merge(client.layer, LiveCryptoSuite.layer) },
      server: { host: "10.0.0.2", layer: Layer.merge(server.layer, LiveCryptoSuite.layer) }
    }
    return { ...around, around }
  })
  const options: PairOptions = { server: { preferredAddress: { ipv4: { host: "10.0.0.3", port: 444 } } } }

  // RFC 9000 §9.6.3 #1
  itSim("is followed there, during a transfer", () =>
    Effect.gen(function* () {
      const { around, cable } = yield* preferring
      const ends = { ...(yield* pair(around, options)) }
      yield* transfer(ends, MEGABYTE, [[0.5, Effect.sync(() => cable.set({ up: false }))]])
      expect(ends.near.remoteAddress).toMatchObject({ host: "10.0.0.3", port: 444 })
      const steps = [...(yield* Stream.runCollect(Stream.take(ends.near.migrations, 3)))]
      expect(steps.map(({ _tag, reason, to }) => [_tag, reason, to.remote.host])).toEqual([
        ["Requested", "PreferredAddress", "10.0.0.3"],
        ["PathValidated", "PreferredAddress", "10.0.0.3"],
        ["Committed", "PreferredAddress", "10.0.0.3"]
      ])
      const followed = yield* Stream.runHead(ends.far.migrations)
      expect(followed).toMatchObject({
        value: { reason: "PreferredAddress", to: { local: { host: "10.0.0.3" } } }
      })
    })
  )

  // RFC 9000 §9.6.1 #1
  itSim("that cannot be reached goes on at its first one", () =>
    Effect.gen(function* () {
      const { around, preferredCable } = yield* preferring
      preferredCable.set({ up: false })
      const ends = yield* pair(around, options)
      yield* transfer(ends, MEGABYTE)
      yield* Effect.sleep("10 seconds")
      yield* transfer(ends, MEGABYTE)
      expect(ends.near.remoteAddress.host).toBe("10.0.0.2")
    })
  )
})

describe("connection IDs", () => {
  itSim("are changed on demand and by themselves, under way", () =>
    Effect.gen(function* () {
      const transport = { rotateIdsAfterPackets: 100, rotateIdsAfter: 200 }
      const ends = yield* connected({ client: { transport }, server: { transport } })
      const seen = new Set<string>()
      ends.cable.forward.dropIf = ({ bytes }) => {
        if ((bytes[0] & 0x80) === 0) seen.add(Buffer.from(bytes.subarray(1, 9)).toString("hex"))
        return false
      }
      yield* transfer(ends, 2 * MEGABYTE, [[0.5, rotated(ends.near)]])
      expect(seen.size).toBeGreaterThan(5)
    })
  )
})

describe("an endpoint that is rebound", () => {
  itSim("to another port goes on from there", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      yield* transfer(ends, 2 * MEGABYTE, [[0.3, ends.client.rebind({ host: "10.0.0.1", port: 5000 })]])
      expect(ends.client.localAddress.port).toBe(5000)
      expect(ends.far.remoteAddress.port).toBe(5000)
    })
  )

  itSim("to another network goes on from there", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      const before = ends.near.stats.minRttMillis
      ends.other.set({ delayMillis: 40 })
      const lost = Effect.sync(() => ends.cable.set({ up: false }))
      yield* transfer(ends, 2 * MEGABYTE, [
        [0.3, Effect.andThen(lost, ends.client.rebind({ host: "10.0.1.1" }))]
      ])
      expect(before).toBeLessThan(30)
      expect(ends.near.stats.minRttMillis).toBeGreaterThan(75)
      expect(ends.far.remoteAddress.host).toBe("10.0.1.1")
    })
  )

  itSim("returns when the server does not answer over the new network", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      ends.other.set({ up: false })
      yield* transfer(ends, 2 * MEGABYTE, [[0.3, ends.client.rebind({ host: "10.0.1.1" })]])
      expect(ends.far.remoteAddress.host).toBe("10.0.0.1")
    })
  )

  // RFC 9000 §9 #2
  itSim("stays with a server that forbids migration", () =>
    Effect.gen(function* () {
      const ends = yield* connected({ server: { transport: { disableActiveMigration: true } } })
      const { port } = ends.client.localAddress
      yield* transfer(ends, MEGABYTE, [[0.3, ends.client.rebind({ host: "10.0.1.1" })]])
      expect(ends.far.remoteAddress).toMatchObject({ host: "10.0.0.1", port })
    })
  )
})
