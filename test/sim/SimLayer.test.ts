import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Layer, Random, Stream } from "effect"
import { type FaultSchedule, SeededRandom, SimLayer, SimNetwork } from "../../layers/sim/index.ts"
import { NodeEntropy, NodeIdentity } from "../../layers/node/index.ts"
import * as SimVitest from "../../layers/sim/vitest/index.ts"
import { badLink, linkedEndpoints } from "../api/badNetwork.ts"
import { endpoints, pinned, readText } from "../api/pair.ts"
import { QuicEndpoint } from "../../src/index.ts"
import * as TestClock from "effect/testing/TestClock"
import { simWorld } from "../api/World.ts"
import { LiveCryptoSuite, LiveUdpPort } from "../io.ts"

const run = promisify(execFile)

/** A user's service, unaware of the simulation. */
const greet = Effect.gen(function* () {
  const world = yield* simWorld
  world.cable!.set({ lossRate: 0.1 })
  const { server, client, connectOptions } = yield* endpoints(world)
  yield* Effect.forkScoped(server.serveStreams((stream) => Stream.run(stream.readable, stream.writable)))
  const connection = yield* client.connect(connectOptions)
  const stream = yield* connection.openBidi
  yield* Stream.run(Stream.encodeText(Stream.make("hello")), stream.writable)
  return yield* readText(stream)
})

describe("the simulation as a layer", () => {
  it.effect("runs an effect test in virtual time, endpoints and all", () =>
    Effect.gen(function* () {
      const start = yield* Clock.monotonicTimeNanos
      expect(yield* greet).toBe("hello")
      yield* Effect.sleep("1 day")
      expect((yield* Clock.monotonicTimeNanos) - start).toBeGreaterThan(86_400_000_000_000n)
    }).pipe(Effect.provide(SimVitest.layer({ maxVirtualMillis: 2 * 86_400_000 })))
  )

  it.effect("gives the same packets for the same seed, and others for another", () => {
    const digest = (seed: number) =>
      Effect.gen(function* () {
        // certificates are not seeded; raw keys are
        const { connect } = yield* linkedEndpoints({ ...badLink, jitterMillis: 20 })
        yield* connect
        return (yield* SimNetwork).trace.digest()
      }).pipe(Effect.provide(SimLayer.layer({ seed })))
    return Effect.gen(function* () {
      const first = yield* digest(1)
      expect(yield* digest(1)).toBe(first)
      expect(yield* digest(2)).not.toBe(first)
    })
  })

  it.effect("is seeded by the name of the test", () =>
    Effect.gen(function* () {
      const seed = "the simulation as a layer > is seeded by the name of the test"
      expect(yield* Random.nextInt).toBe(new SeededRandom(seed).fork("effect").nextIntUnsafe())
    }).pipe(Effect.provide(SimVitest.layer()))
  )

  it.effect("closes what the program leaves in its scope while time still passes", () => {
    const seen: Array<string> = []
    const program = Effect.gen(function* () {
      yield* Effect.addFinalizer(() =>
        Effect.sleep("5 seconds").pipe(Effect.andThen(Effect.sync(() => seen.push("finalizer"))))
      )
      seen.push("program")
    })
    return program.pipe(
      Effect.provide(SimLayer.layer()),
      Effect.andThen(Effect.sync(() => expect(seen).toEqual(["program", "finalizer"])))
    )
  })

  it.effect("takes the place of the live UDP for a program that talks to itself", () => {
    const live = Layer.mergeAll(LiveUdpPort.layer, NodeEntropy.layer, LiveCryptoSuite.layer)
    const lossy = { delayMillis: 100, lossRate: 0.1 }
    const simulated = Layer.merge(SimVitest.layerLocalhost(lossy), LiveCryptoSuite.layer)
    /** Written exactly as for the live layer. */
    const program = Effect.gen(function* () {
      const identity = yield* NodeIdentity.developmentCertificate()
      return yield* Effect.gen(function* () {
        const server = yield* QuicEndpoint.make({ host: "127.0.0.1", server: { alpn: ["echo"], identity } })
        yield* Effect.forkScoped(
          server.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
        )
        const client = yield* QuicEndpoint.make()
        const { port } = server.localAddress
        const connection = yield* client.connect({ host: "127.0.0.1", port, alpn: ["echo"] })
        const stream = yield* connection.openBidi
        yield* Stream.run(Stream.encodeText(Stream.make("hello, QUIC")), stream.writable)
        return [yield* readText(stream), connection.stats.minRttMillis] as const
      }).pipe(Effect.provide(pinned(identity)))
    })
    return Effect.gen(function* () {
      const [here, fast] = yield* Effect.scoped(program).pipe(Effect.provide(live), TestClock.withLive)
      const [there, slow] = yield* program.pipe(Effect.provide(simulated))
      expect([here, there]).toEqual(["hello, QUIC", "hello, QUIC"])
      expect(fast).toBeLessThan(slow)
      expect(slow).toBeGreaterThanOrEqual(200)
    })
  })

  it.effect("carries services made from layers below it", () => {
    const host = Layer.unwrap(Effect.map(SimNetwork, (network) => network.host("alone", "10.0.0.1").layer))
    return Effect.gen(function* () {
      const { UdpPort } = yield* Effect.promise(() => import("../../src/index.ts"))
      const socket = yield* (yield* UdpPort).bind()
      expect(socket.localAddress.port).toBe(49_152)
    }).pipe(Effect.provide(host), Effect.provide(SimLayer.layer()))
  })
})

describe("a test that fails in the simulation", () => {
  const vitest = ["vitest", "run", "--config", "test/sim/replay/vitest.config.ts"]
  const outputOf = async (command: string, args: ReadonlyArray<string>): Promise<string> => {
    const root = new URL("../..", import.meta.url).pathname
    const { EFFECT_QUIC_SEED: _, ...env } = process.env
    const outcome = await run(command, args, { cwd: root, env: { ...env, NO_COLOR: "1" } }).catch(
      (error: { stdout: string; stderr: string }) => error
    )
    return outcome.stdout + outcome.stderr
  }

  it("prints the command that replays it, also for a program that is stuck", async () => {
    const first = await outputOf("npx", vitest)
    const number = /unlucky number (-?\d+)/.exec(first)![1]
    const [command, stuck, faulty] = [...first.matchAll(/^To replay the failure: (.*)$/gm)].map(
      (match) => match[1]
    )
    expect(command).toMatch(/^EFFECT_QUIC_SEED=.* EFFECT_QUIC_INTERLEAVING=seeded npx vitest run --config/)
    expect(first).toContain("The simulation is stuck (deadlock)")
    expect(stuck).toContain("waits for ever")
    const again = await outputOf("sh", ["-c", command])
    expect(/unlucky number (-?\d+)/.exec(again)![1]).toBe(number)
    expect(again).toContain("1 failed")
    expect(again).not.toContain("deadlock")
    const other = await outputOf("sh", ["-c", command.replace("EFFECT_QUIC_SEED='a", "EFFECT_QUIC_SEED='b")])
    expect(/unlucky number (-?\d+)/.exec(other)![1]).not.toBe(number)

    // shrinks six faults to the two it needs, with simpler numbers
    expect(first).toContain("It fails in the same way with 2 of 6 faults")
    const kept = /EFFECT_QUIC_FAULTS='(.*)' npx vitest/.exec(faulty)![1]
    const faults = JSON.parse(kept) as FaultSchedule
    expect(faults.map(({ fault }) => fault.kind)).toEqual(["linkDown", "linkDown"])
    expect(faults[0].atMillis).toBe(0)
    const small = await outputOf("sh", ["-c", faulty])
    expect(small).toContain("It fails in the same way with 2 of 2 faults")
    expect(small).toContain("1 failed")
  }, 180_000)
})
