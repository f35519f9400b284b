/** Key updates, the migration trace and paths, as an application sees them. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { type MigrationEntry, Qlog, type QuicConnection } from "../../src/index.ts"
import { pair, reasonOf, text } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { simWorld } from "../api/World.ts"
import { inventory } from "../sweep/inventory.ts"
import { readRecords } from "../qlog/schema.ts"
import { connected } from "./connected.ts"
import { transfer } from "./transfer.ts"

const MEGABYTE = 1_000_000

/** Everything the trace has until the connection ends. */
const traced = (connection: QuicConnection) =>
  Effect.forkScoped(Effect.map(Stream.runCollect(connection.migrations), (all) => [...all]))

const shown = ({ _tag, reason, outcome }: MigrationEntry) => `${_tag} ${reason ?? ""} ${outcome}`

describe("A5 a key update", () => {
  itSim(
    "is requested, committed and settled, which keyPhase shows; another request joins one that is pending",
    () =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(yield* simWorld)
        yield* Effect.sleep(500)
        expect(near.keyPhase).toEqual({ number: 0, state: "settled" })
        const updated = yield* Effect.forkScoped(Stream.runHead(near.migrations))
        yield* near.updateKeys
        expect(near.keyPhase).toEqual({ number: 0, state: "requested" })
        yield* near.updateKeys
        yield* Effect.sleep(1)
        expect(near.keyPhase).toEqual({ number: 1, state: "committing" })
        expect(updated.pollUnsafe(), "a subscriber is told at once").toBeDefined()
        yield* near.updateKeys
        expect(near.keyPhase).toEqual({ number: 1, state: "committing" })
        yield* Effect.sleep(500)
        expect(near.keyPhase).toEqual({ number: 1, state: "settled" })
        expect(far.keyPhase.number).toBe(1)
        yield* near.ping
        yield* Effect.sleep(2_000)
        expect(near.keyPhase).toEqual({ number: 1, state: "settled" })
        yield* far.updateKeys
        // it has sent nothing yet that is acknowledged in the phase that it has followed to
        yield* Effect.sleep(2_000)
        expect(far.keyPhase.state).toBe("requested")
        yield* far.ping
        yield* Effect.sleep(2_000)
        expect([near.keyPhase.number, far.keyPhase.number]).toEqual([2, 2])
      })
  )

  itSim("asked for before the handshake is confirmed waits for that", () =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(yield* simWorld)
      yield* near.updateKeys
      expect(near.keyPhase.number).toBe(0)
      yield* Effect.sleep(500)
      yield* near.ping
      yield* Effect.sleep(500)
      expect([near.keyPhase.number, far.keyPhase.number]).toEqual([1, 1])
    })
  )
})

describe("A6 connection.migrations", () => {
  itSim("has the steps of a migration, on both sides, with addresses, reason, phase and identity", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      const [near, far] = [yield* traced(ends.near), yield* traced(ends.far)]
      yield* Effect.sleep(500)
      yield* ends.near.migrate({ host: "10.0.1.1" })
      yield* ends.near.updateKeys
      yield* ends.near.ping
      yield* Effect.sleep(1_000)
      yield* ends.near.close()
      const [client, server] = [yield* Fiber.join(near), yield* Fiber.join(far)]
      expect(client.map(shown)).toEqual([
        "Requested ActiveMigration Pending",
        "PathValidated ActiveMigration Pending",
        "Committed ActiveMigration Complete",
        "KeyUpdate  Initiated"
      ])
      expect(server.map(shown)).toEqual([
        "Requested ActiveMigration Pending",
        "Committed ActiveMigration Complete",
        "KeyUpdate  Followed"
      ])
      const leaf = createHash("sha256").update(ends.identity.chain[0]).digest("hex")
      for (const [at, entry] of client.entries()) {
        expect(entry.number).toBe(at + 1)
        expect(entry.verifierContext).toBe(`x509:${leaf}`)
        expect(entry.keyPhase).toBe(entry._tag === "KeyUpdate" ? 1 : 0)
        expect(entry.from.local.host).toBe(entry._tag === "KeyUpdate" ? "10.0.1.1" : "10.0.0.1")
        expect(entry.to.local.host).toBe("10.0.1.1")
        expect(entry.to.remote).toEqual(ends.server.localAddress)
        expect(entry.qlog).toBeUndefined()
      }
      expect(server.map(({ to }) => to.remote.host)).toEqual(["10.0.1.1", "10.0.1.1", "10.0.1.1"])
      expect(server.map(({ verifierContext }) => verifierContext)).toEqual(Array(3).fill("anonymous"))
    })
  )

  itSim("tells a NAT that rebinds from a client that moves", () =>
    Effect.gen(function* () {
      const ends = yield* connected({}, true)
      const far = yield* traced(ends.far)
      yield* Effect.sleep(500)
      ends.nat.rebind()
      yield* ends.near.ping
      yield* Effect.sleep(1_000)
      yield* ends.near.close()
      const entries = yield* Fiber.join(far)
      expect(entries.map(shown)).toEqual([
        "Requested NatRebinding Pending",
        "Committed NatRebinding Unvalidated",
        "PathValidated NatRebinding Complete"
      ])
      expect(entries[0].from.remote.port).not.toBe(entries[0].to.remote.port)
    })
  )

  itSim("says why a migration failed, as its error does", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      const near = yield* traced(ends.near)
      ends.other.set({ up: false })
      expect(yield* reasonOf(ends.near.migrate({ host: "10.0.1.1" }))).toMatchObject({
        _tag: "MigrationFailed",
        outcome: "TimedOut"
      })
      expect(yield* reasonOf(ends.far.migrate())).toMatchObject({ outcome: "NotClient" })
      const given = yield* Effect.forkScoped(ends.near.migrate({ host: "10.0.1.1" }))
      yield* Effect.sleep(50)
      yield* Fiber.interrupt(given)
      yield* ends.near.closeNow()
      expect((yield* Fiber.join(near)).map(shown)).toEqual([
        "Requested ActiveMigration Pending",
        "Rejected ActiveMigration TimedOut",
        "Requested ActiveMigration Pending",
        "Rejected ActiveMigration Abandoned"
      ])
    })
  )

  itSim("says that another move took the place of one, as its error does", () =>
    Effect.gen(function* () {
      const ends = yield* connected()
      const near = yield* traced(ends.near)
      ends.other.set({ delayMillis: 100 })
      const slow = yield* Effect.forkScoped(reasonOf(ends.near.migrate({ host: "10.0.1.1" })))
      yield* Effect.sleep(50)
      yield* ends.near.migrate({ host: "10.0.0.1" })
      expect(yield* Fiber.join(slow)).toMatchObject({ _tag: "MigrationFailed", outcome: "Superseded" })
      yield* ends.near.closeNow()
      const superseded = (yield* Fiber.join(near)).filter(({ outcome }) => outcome === "Superseded")
      expect(superseded.map(({ _tag, to }) => `${_tag} ${to.local.host}`)).toEqual(["Rejected 10.0.1.1"])
    })
  )

  itSim("gives one who subscribes late what is kept, and one who is there before what comes", () =>
    Effect.gen(function* () {
      const { near } = yield* connected()
      for (let i = 0; i < 30; i++) yield* near.migrate({ host: i % 2 === 0 ? "10.0.1.1" : "10.0.0.1" })
      const late = yield* traced(near)
      const live = yield* Effect.forkScoped(
        Stream.runHead(Stream.filter(near.migrations, ({ number }) => number > 90))
      )
      yield* Effect.sleep(10)
      yield* near.migrate({ host: "10.0.1.1" })
      yield* near.closeNow()
      const numbers = (yield* Fiber.join(late)).map(({ number }) => number)
      expect(numbers).toEqual(Array.from({ length: 67 }, (_, i) => 27 + i))
      expect(yield* Fiber.join(live)).toMatchObject({ value: { number: 91, _tag: "Requested" } })
    })
  )

  itSim("points into the qlog", () =>
    Effect.gen(function* () {
      const files = new Map<string, string>()
      const log = (name: string) => (records: string) => {
        files.set(name, (files.get(name) ?? "") + records)
      }
      const entries = yield* Effect.gen(function* () {
        const ends = yield* connected()
        const near = yield* traced(ends.near)
        yield* ends.near.migrate({ host: "10.0.1.1" })
        yield* ends.near.close()
        yield* Effect.sleep(3_000)
        return yield* Fiber.join(near)
      }).pipe(Effect.scoped, Effect.provideService(Qlog, log))
      expect(entries.length).toBe(3)
      for (const { number, qlog } of entries) {
        const [, ...events] = readRecords(files.get(qlog!.log)!)
        expect(events[qlog!.event]).toMatchObject({ time: qlog!.timeMillis, data: { number } })
      }
    })
  )
})

describe("A6 connection.paths", () => {
  itSim(
    "shows the path in use and the one being probed; changes follow the move and end with the connection",
    () =>
      Effect.gen(function* () {
        const ends = yield* connected()
        const seen = yield* Effect.forkScoped(Stream.runCollect(ends.near.pathChanges))
        yield* Effect.sleep(100)
        yield* ends.near.migrate({ host: "10.0.1.1" })
        // nothing has been measured there yet: the values are those assumed
        const { minRttMillis, smoothedRttMillis: assumed } = ends.near.paths[0]
        expect([minRttMillis, ends.near.stats.minRttMillis]).toEqual([assumed, assumed])
        yield* Effect.sleep(3_000)
        const [path, ...others] = ends.near.paths
        expect(others).toEqual([])
        expect(path).toMatchObject({ id: 0, state: "active", isValidated: true, alternatives: [] })
        expect(path.local.host).toBe("10.0.1.1")
        expect(path.remote).toEqual(ends.server.localAddress)
        const { smoothedRttMillis, bytesSent, bytesReceived, congestionWindowBytes } = ends.near.stats
        expect(path).toMatchObject({ smoothedRttMillis, bytesSent, bytesReceived, congestionWindowBytes })
        yield* ends.near.closeNow()
        const states = [...(yield* Fiber.join(seen))].map(
          ([{ local, state, alternatives }]) =>
            `${local.host} ${state} [${alternatives.map((each) => `${each.local.host} ${each.isValidated}`)}]`
        )
        expect(states.slice(0, 3)).toEqual([
          "10.0.0.1 active []",
          "10.0.0.1 migrating [10.0.1.1 false]",
          "10.0.1.1 active [10.0.0.1 true]"
        ])
        expect(states.at(-1)).toBe("10.0.1.1 active []")
      })
  )
})

describe("A7 a transfer", () => {
  itSim(
    "survives migration, rebinding and key updates with loss: every byte once and in order, from the same peer",
    () =>
      Effect.gen(function* () {
        const ends = yield* connected({}, true)
        const bad = { lossRate: 0.01, reorderRate: 0.02, duplicateRate: 0.01, jitterMillis: 2 }
        const conditions = { delayMillis: 10, bitsPerSecond: 100e6, ...bad }
        ends.cable.set(conditions)
        ends.other.set(conditions)
        const [near, far] = [yield* traced(ends.near), yield* traced(ends.far)]
        const rebind = Effect.sync(() => ends.nat.rebind())
        yield* transfer(ends, 10 * MEGABYTE, [
          [0.1, rebind],
          [0.2, ends.near.updateKeys],
          [0.3, ends.near.migrate({ host: "10.0.1.1" })],
          [0.45, ends.far.updateKeys],
          [0.6, ends.near.migrate({ host: "10.0.0.1" })],
          [0.75, rebind],
          [0.85, ends.near.updateKeys]
        ])
        yield* ends.near.close()
        const [client, server] = [yield* Fiber.join(near), yield* Fiber.join(far)]
        const count = (entries: ReadonlyArray<MigrationEntry>, what: string) =>
          entries.filter((entry) => shown(entry) === what).length
        expect(count(client, "Committed ActiveMigration Complete")).toBe(2)
        expect(count(client, "KeyUpdate  Initiated") + count(client, "KeyUpdate  Followed")).toBe(3)
        expect(count(server, "KeyUpdate  Initiated") + count(server, "KeyUpdate  Followed")).toBe(3)
        expect(count(server, "PathValidated NatRebinding Complete")).toBeGreaterThanOrEqual(2)
        expect(ends.near.stats.packetsLost).toBeGreaterThan(0)
        const leaf = createHash("sha256").update(ends.identity.chain[0]).digest("hex")
        expect(new Set(client.map(({ verifierContext }) => verifierContext))).toEqual(
          new Set([`x509:${leaf}`])
        )
        expect(new Set(server.map(({ verifierContext }) => verifierContext))).toEqual(new Set(["anonymous"]))
      }),
    { seeds: 2 }
  )
})

describe("A8 every operation", () => {
  itSim("starts with a cancellation checkpoint: cancelled there, it has changed nothing", () =>
    Effect.gen(function* () {
      const { near, far, client, server, connectOptions } = yield* pair(yield* simWorld)
      const stream = yield* near.openBidi
      yield* Effect.sleep(6_000)
      const state = Effect.gen(function* () {
        const trees = [inventory(yield* client.tree), inventory(yield* server.tree)]
        const { keyPhase, paths, stats } = near
        return { trees, keyPhase, paths, stats, entries: near.actor.core.parts.migrationTrace.last }
      })
      // before anything is made of them: they are descriptions
      const before = yield* state
      const operations = {
        migrate: near.migrate(),
        rebind: client.rebind({ host: "127.0.0.1" }),
        updateKeys: near.updateKeys,
        rotateConnectionIds: near.rotateConnectionIds,
        ping: near.ping,
        openBidi: near.openBidi,
        openUni: near.openUni,
        sendMessage: near.sendMessage(text("never sent")),
        sendDatagram: near.sendDatagram(text("never sent")),
        deliverDatagram: near.deliverDatagram(text("never sent")),
        write: stream.write(text("never written")),
        finish: stream.finish,
        reset: stream.reset(1),
        stop: stream.stop(1),
        connect: client.connect(connectOptions),
        peer: client.peer(connectOptions),
        pathChanges: Stream.runDrain(near.pathChanges),
        migrations: Stream.runDrain(near.migrations),
        close: near.close(7),
        closeNow: near.closeNow(7),
        crash: near.crash("never"),
        read: stream.read(),
        acceptBidi: near.acceptBidi,
        receiveDatagram: near.receiveDatagram,
        serveStreams: near.serveStreams(() => Effect.void),
        accept: server.accept,
        drain: server.drain()
      }
      for (const [name, operation] of Object.entries(operations)) {
        // the interrupt is there before the operation, which is where it meets it
        const cancelled = Effect.uninterruptibleMask((restore) =>
          Effect.withFiber<unknown, unknown, never>((fiber) => {
            fiber.interruptUnsafe()
            return restore(Effect.scoped(operation as Effect.Effect<unknown, unknown>))
          })
        )
        const exit = yield* Fiber.await(yield* Effect.forkChild(cancelled))
        expect(Exit.hasInterrupts(exit), name).toBe(true)
        yield* Effect.sleep(50)
        expect(yield* state, name).toEqual(before)
      }
      expect(yield* Effect.timeoutOption(far.acceptBidi, 10)).toMatchObject({ _tag: "None" })
    })
  )
})
