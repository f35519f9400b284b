/** D3, D5, D7: two networks at once, through the public API, in the simulator. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { coreOf } from "../inspect.ts"
import { reasonOf } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { MOBILE, SERVER_TOO, twoLinks, upload, WIFI } from "./twoLinks.ts"

const MEGABYTE = 1_000_000
/** What of a full packet is data: 28 bytes are IP and UDP, 35 are QUIC. */
const DATA_SHARE = (1480 - 28 - 35) / 1480
/** Each with a queue of one bandwidth-delay product. */
const shaped = {
  wifi: { bitsPerSecond: 50e6, delayMillis: 10, queueBytes: 125_000 },
  mobile: { bitsPerSecond: 20e6, delayMillis: 30, queueBytes: 150_000 }
}

describe("D7: two links", () => {
  itSim(
    "carry nine tenths of what both have room for, in one stream",
    Effect.fnUntraced(function* () {
      const ends = yield* twoLinks(shaped)
      yield* ends.connection.openPath({ local: { host: MOBILE } })
      yield* upload(ends, (yield* Random.nextIntBetween(4, 8)) * MEGABYTE)
      const { bitsPerSecond, received } = yield* upload(ends, 12 * MEGABYTE)
      expect(received).toBe(12 * MEGABYTE)
      expect(bitsPerSecond).toBeGreaterThan(0.9 * DATA_SHARE * 70e6)
    }),
    { seeds: 3 }
  )
})

describe("D5: a link that falls silent", () => {
  itSim(
    "stops nothing for longer than 200 ms, and is used again once it answers",
    Effect.fnUntraced(function* () {
      const ends = yield* twoLinks(shaped)
      const mobile = yield* ends.connection.openPath({ local: { host: MOBILE } })
      // past slow start: a window that is still growing overshoots when it takes over
      yield* upload(ends, 10 * MEGABYTE)
      const uploading = yield* Effect.forkChild(upload(ends, 6 * MEGABYTE))
      yield* Effect.sleep(yield* Random.nextIntBetween(100, 600))
      ends.links.wifi.set({ up: false })
      const { longestGapMillis, received } = yield* Fiber.join(uploading)
      expect(received).toBe(6 * MEGABYTE)
      expect(longestGapMillis).toBeLessThan(200)
      expect(mobile.info).toMatchObject({ carriesData: true, state: "active" })
      expect(ends.connection.path(0)?.info.carriesData).toBe(false)
      ends.links.wifi.set({ up: true })
      yield* upload(ends, 4 * MEGABYTE)
      expect(ends.connection.path(0)?.info.carriesData).toBe(true)
    }),
    { seeds: 3 }
  )
})

describe("D2, D6: a path of the application", () => {
  itSim("is shown, followed, kept as a backup, and abandoned; its socket closes with it", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks(shaped)
      const sockets = ends.client.tree.pipe(Effect.map((tree) => tree.sockets))
      const before = yield* sockets
      const seen: Array<string> = []
      const watching = yield* Effect.forkChild(
        Stream.runForEach(ends.connection.pathChanges, (paths) =>
          Effect.sync(() => seen.push(paths.map(({ id, state }) => `${id} ${state}`).join(", ")))
        )
      )
      const backup = yield* ends.connection.openPath({ local: { host: MOBILE }, status: "backup" })
      expect(ends.connection.paths.map(({ local }) => local.host)).toEqual([expect.any(String), MOBILE])
      expect(backup.info).toMatchObject({ id: 1, state: "standby", carriesData: false })
      yield* upload(ends, MEGABYTE)
      expect(backup.info.bytesSent).toBeLessThan(0.05 * MEGABYTE)
      yield* backup.setStatus("available")
      yield* upload(ends, 10 * MEGABYTE)
      expect(backup.info.bytesSent).toBeGreaterThan(MEGABYTE)
      yield* backup.abandon
      expect(yield* backup.closed).toEqual({ by: "local", reason: "Application", code: 0x3e })
      yield* Effect.sleep(5_000)
      expect(yield* sockets).toBe(before)
      expect(ends.connection.path(1)).toBeUndefined()
      yield* upload(ends, MEGABYTE)
      yield* Fiber.interrupt(watching)
      expect(seen).toEqual([
        "0 active",
        "0 active, 1 validating",
        "0 active, 1 standby",
        "0 active, 1 active",
        "0 active, 1 closing",
        "0 active"
      ])
    })
  )

  itSim("may lead to another address of the server's, which replies from there", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks(shaped)
      const { remoteAddress } = ends.connection
      const other = yield* ends.connection.openPath({
        local: { host: MOBILE },
        remote: { host: SERVER_TOO },
        status: "backup"
      })
      expect(other.info.remote).toEqual({ ...remoteAddress, host: SERVER_TOO })
      expect(ends.accepted[0].path(1)!.info.local.host).toBe(SERVER_TOO)
      yield* ends.connection.path(0)!.abandon
      yield* upload(ends, MEGABYTE)
      expect(ends.connection.remoteAddress.host).toBe(SERVER_TOO)
      for (const remote of [{ host: "example.org" }, { host: "203.0.113" }])
        expect(yield* reasonOf(ends.connection.openPath({ remote }))).toMatchObject({ field: "remote.host" })
      const mapped = { host: "203.0.113.10", port: 0 }
      expect(yield* reasonOf(ends.connection.openPath({ remote: mapped }))).toMatchObject({
        field: "remote.port"
      })
    })
  )

  itSim(
    "makes a bond with the others, whose changes can be followed; the peer's reason for its end is told",
    () =>
      Effect.gen(function* () {
        const ends = yield* twoLinks(shaped)
        const { connection } = ends
        const seen: Array<string> = []
        const follow = (changes: Stream.Stream<string>) =>
          Effect.forkChild(Stream.runForEach(changes, (state) => Effect.sync(() => seen.push(state))))
        yield* follow(connection.bondingChanges)
        const mobile = yield* connection.openPath({ local: { host: MOBILE } })
        yield* upload(ends, MEGABYTE)
        const shares = () => connection.paths.map(({ share }) => share)
        expect(shares().reduce((sum, share) => sum + share)).toBeCloseTo(1)
        expect(Math.min(...shares())).toBeGreaterThan(0.05)
        const uploading = yield* Effect.forkChild(upload(ends, 2 * MEGABYTE))
        yield* Effect.sleep(100)
        ends.links.mobile.set({ up: false })
        yield* Fiber.join(uploading)
        expect(connection.bonding).toBe("degraded")
        expect(mobile.info).toMatchObject({ isSilent: true, share: 0 })
        expect(shares()).toEqual([1, 0])
        ends.links.mobile.set({ up: true })
        yield* upload(ends, 10 * MEGABYTE)
        expect(connection.bonding).toBe("bonded")
        yield* ends.accepted[0].path(1)!.abandon
        expect(yield* mobile.closed).toEqual({ by: "peer", reason: "Application", code: 0x3e })
        expect(yield* connection.path(0)!.closed.pipe(Effect.timeoutOption(10))).toEqual(Option.none())
        const first = connection.path(0)!
        yield* connection.close()
        expect(yield* first.closed).toEqual({ by: "local", reason: "ConnectionOver", code: 0 })
        yield* Effect.sleep(1)
        expect(seen).toEqual(["singlePath", "pending", "bonded", "degraded", "bonded", "singlePath"])
      })
  )

  itSim("is counted with the others, also when it is gone", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks(shaped)
      const { connection, client } = ends
      const mobile = yield* connection.openPath({ local: { host: MOBILE } })
      yield* upload(ends, 5 * MEGABYTE)
      const counted = Effect.map(client.statistics, ({ bytesSent, datagramsSent, packetsSent }) => ({
        bytesSent,
        datagramsSent,
        packetsSent
      }))
      const sent = connection.paths.map(({ bytesSent }) => bytesSent)
      expect(Math.min(...sent)).toBeGreaterThan(MEGABYTE / 2)
      expect(connection.stats.bytesSent).toBe(sent[0] + sent[1])
      expect(connection.stats).toMatchObject(yield* counted)
      const before = connection.stats
      yield* mobile.abandon
      yield* mobile.closed
      expect(connection.paths).toHaveLength(1)
      expect(connection.stats.bytesSent).toBe(connection.paths[0].bytesSent + mobile.info.bytesSent)
      for (const count of ["bytesSent", "bytesReceived", "datagramsSent", "packetsSent"] as const)
        expect(connection.stats[count]).toBeGreaterThanOrEqual(before[count])
      expect(connection.stats).toMatchObject(yield* counted)
    })
  )

  itSim("that is not answered, or not allowed, fails with a reason, and leaves no socket", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks()
      const sockets = ends.client.tree.pipe(Effect.map((tree) => tree.sockets))
      const before = yield* sockets
      ends.links.mobile.set({ up: false })
      const failed = { _tag: "PathFailed" }
      expect(yield* reasonOf(ends.connection.openPath({ local: { host: MOBILE } }))).toMatchObject({
        ...failed,
        outcome: "TimedOut"
      })
      const interrupted = yield* Effect.forkChild(ends.connection.openPath({ local: { host: MOBILE } }))
      yield* Effect.sleep(500)
      yield* Fiber.interrupt(interrupted)
      yield* Effect.sleep(20_000)
      expect(yield* sockets).toBe(before)
      expect(ends.connection.paths).toHaveLength(1)
      expect(yield* reasonOf(ends.connection.path(0)!.abandon)).toMatchObject({
        ...failed,
        outcome: "LastPath"
      })
      expect(yield* reasonOf(ends.accepted[0].openPath())).toMatchObject({ ...failed, outcome: "NotClient" })
      const wrong = { status: "fast" } as unknown as { readonly status: "backup" }
      expect(yield* reasonOf(ends.connection.openPath(wrong))).toMatchObject({ field: "status" })
      yield* upload(ends, MEGABYTE)
    })
  )

  itSim("for which the peer provides no connection IDs is waited for ten seconds, and then refused", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks()
      yield* Effect.sleep(500)
      // the server believes that they are here
      coreOf(ends.connection).paths.byId(1)!.peerIds.clear()
      const startedAt = yield* Clock.currentTimeMillis
      // what the connection does meanwhile prolongs nothing
      yield* Effect.forkChild(Effect.repeat(upload(ends, 100_000), Schedule.spaced(50)))
      expect(yield* reasonOf(ends.connection.openPath({ local: { host: MOBILE } }))).toMatchObject({
        _tag: "PathFailed",
        outcome: "NoConnectionId"
      })
      expect((yield* Clock.currentTimeMillis) - startedAt).toBeCloseTo(10_000, -1)
      yield* Effect.sleep(2_000)
      expect((yield* ends.client.tree).sockets).toBe(1)
    })
  )

  itSim("is refused to a connection without multipath", () =>
    Effect.gen(function* () {
      const ends = yield* twoLinks({ transport: {} })
      expect(yield* reasonOf(ends.connection.openPath({ local: { host: WIFI } }))).toMatchObject({
        _tag: "PathFailed",
        outcome: "NotNegotiated",
        problem: "this side allows one path: its transport.maxPaths is 1, the default"
      })
    })
  )
})
