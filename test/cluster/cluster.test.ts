/** Effect Cluster over QUIC, in the simulator: who hosts an entity, and what happens when a runner is gone. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import { describe, expect } from "vitest"
import { QuicRunner } from "../../src/index.ts"
import { quietly, reasonOf } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { authority, Desk, keyOf, simCluster, whereAre } from "./simCluster.ts"

const anywhere = RunnerAddress.make("10.0.0.1", 0)

const both = ["runner 0", "runner 1"]

/** A cluster whose two runners have divided the shards, and who answers for some entities. */
const running = Effect.gen(function* () {
  const cluster = yield* simCluster()
  yield* cluster.runner(0)
  const second = yield* cluster.runner(1)
  const context = yield* cluster.client()
  yield* Effect.sleep("10 seconds")
  const hosting = (count: number) =>
    Effect.map(whereAre(count), (answers) => [...new Set(answers)].sort()).pipe(
      Effect.provideContext(context)
    )
  return { ...cluster, hosting, second }
})

describe("C9: a cluster over QUIC", () => {
  itSim("two runners host 1000 entities; when one dies, all answer again within seconds", () =>
    Effect.gen(function* () {
      const { hosting, killSecond, untilHealth } = yield* running
      expect(yield* hosting(1000)).toEqual(both)
      const before = yield* Clock.currentTimeMillis
      yield* killSecond
      yield* untilHealth(1, false)
      expect((yield* Clock.currentTimeMillis) - before).toBeLessThan(5000)
      expect(yield* hosting(1000)).toEqual(["runner 0"])
      expect((yield* Clock.currentTimeMillis) - before).toBeLessThan(10_000)
    }).pipe(quietly)
  )

  itSim("calls in flight when a runner dies are answered by the other one", () =>
    Effect.gen(function* () {
      const { hosting, killSecond } = yield* running
      const calls = yield* Effect.forkScoped(hosting(1000))
      yield* Effect.sleep(50)
      yield* killSecond
      // some have been answered already
      expect(yield* Fiber.join(calls)).toEqual(both)
    }).pipe(quietly)
  )

  itSim("a runner that can be reached again is healthy, and hosts entities again", () =>
    Effect.gen(function* () {
      const { cables, hosting, isHealthy, untilHealth } = yield* running
      cables.runners.set({ lossRate: 1 })
      yield* Effect.raceFirst(untilHealth(0, false), untilHealth(1, false))
      cables.runners.set({ lossRate: 0 })
      yield* Effect.all([untilHealth(0, true), untilHealth(1, true)])
      yield* Effect.sleep("1 minute")
      expect([isHealthy(0), isHealthy(1)]).toEqual([true, true])
      expect(yield* hosting(100)).toEqual(both)
    }).pipe(quietly)
  )

  itSim("of two runners that cannot reach each other, one remains", () =>
    Effect.gen(function* () {
      const { cables, isHealthy } = yield* running
      cables.runners.set({ lossRate: 1 })
      for (let i = 0; i < 2000; i++) {
        yield* Effect.sleep("10 millis")
        expect([isHealthy(0), isHealthy(1)]).toContain(true)
      }
      expect([isHealthy(0), isHealthy(1)]).toContain(false)
    }).pipe(quietly)
  )

  itSim("a runner is healthy on a link that loses a tenth of its packets, and while it is silent", () =>
    Effect.gen(function* () {
      const { cables, isHealthy } = yield* running
      cables.runners.set({ lossRate: 0.1 })
      for (let i = 0; i < 600; i++) {
        yield* Effect.sleep("100 millis")
        expect([isHealthy(0), isHealthy(1)]).toEqual([true, true])
      }
    }).pipe(quietly)
  )

  itSim("a runner that leaves in good order hands its entities over, and leaves no peer behind", () =>
    Effect.gen(function* () {
      const { hosting, peersOf, second, storage } = yield* running
      expect(yield* hosting(100)).toEqual(both)
      expect(yield* peersOf(0)).toEqual([`runner ${keyOf(1)}`])
      yield* Scope.close(second, Exit.void)
      expect([...storage.runners.keys()]).toEqual([keyOf(0)])
      expect(yield* hosting(100)).toEqual(["runner 0"])
      yield* Effect.sleep("10 seconds")
      expect(yield* peersOf(0)).toEqual([])
    }).pipe(quietly)
  )

  for (const [credentials, by] of [
    [undefined, "a set of raw keys"],
    [authority, "the CA of the cluster"]
  ] as const)
    itSim(`runners and clients prove who they are by ${by}; a stranger is answered nothing`, () =>
      Effect.gen(function* () {
        const { client, identities, isHealthy, runner } = yield* simCluster(credentials)
        yield* runner(0)
        yield* runner(1)
        yield* Effect.sleep("20 seconds")
        expect([isHealthy(0), isHealthy(1)]).toEqual([true, true])
        const ask = (context: Effect.Success<ReturnType<typeof client>>) =>
          Effect.timeoutOption(Effect.provideContext(whereAre(10), context), "10 seconds")
        expect(new Set(Option.getOrThrow(yield* ask(yield* client())))).toEqual(new Set(both))
        expect(yield* ask(yield* client(identities[3]))).toEqual(Option.none())
      }).pipe(quietly)
    )

  itSim("an interrupt goes before what fills the link", () =>
    Effect.gen(function* () {
      const { cables, client, runner, waiting } = yield* simCluster()
      yield* runner(0)
      yield* Effect.gen(function* () {
        const desk = yield* Desk.client
        const waits = yield* Effect.forkScoped(desk("one").Wait())
        yield* Deferred.await(waiting.begun)
        cables.first.set({ bitsPerSecond: 10e6 })
        const text = "x".repeat(100_000)
        yield* Effect.forEach(
          Array.from({ length: 100 }, (_, i) => i),
          (i) => Effect.forkScoped(desk(`desk ${i}`).Store({ text }))
        )
        yield* Effect.sleep("2 seconds")
        const before = yield* Clock.currentTimeMillis
        yield* Effect.forkScoped(Fiber.interrupt(waits))
        yield* Deferred.await(waiting.ended)
        expect((yield* Clock.currentTimeMillis) - before).toBeLessThan(500)
      }).pipe(Effect.provideContext(yield* client()))
    }).pipe(quietly)
  )

  itSim("a bad option is named", () =>
    Effect.gen(function* () {
      const { identities, place } = yield* simCluster()
      const refused = (options: Partial<QuicRunner.RunnerOptions>, address = Option.some(anywhere)) =>
        QuicRunner.layer({ identity: identities[0], ...options }).pipe(
          Layer.provide(ShardingConfig.layer({ runnerAddress: address })),
          Layer.provide(place(0)),
          Layer.build,
          reasonOf
        )
      const named = (field: string) => ({ _tag: "InvalidOption", field })
      expect(yield* refused({ maxSilence: 499 })).toMatchObject(named("maxSilence"))
      expect(yield* refused({ reconnectTimeout: 60_001 })).toMatchObject(named("reconnectTimeout"))
      expect(yield* refused({ maxFrameBytes: 0 })).toMatchObject(named("maxFrameBytes"))
      expect(yield* refused({}, Option.none())).toMatchObject(named("runnerAddress"))
      expect(yield* refused({ alpn: "" })).toMatchObject(named("alpn"))
    })
  )
})
