/** The connections between runners, in the simulator. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import { describe, expect } from "vitest"
import { makeRunnerPeers } from "../../src/cluster/RunnerPeers.ts"
import { runnerSettings } from "../../src/cluster/runnerOptions.ts"
import { endpoints, quietly, reasonOf } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

describe("C9: connections between runners", () => {
  simulated.it("however many operations wait for a runner, whether it lives can be asked", (world) =>
    Effect.gen(function* () {
      const { client, connectOptions, identity } = yield* endpoints(world)
      const { host, port, serverName } = connectOptions
      const settings = yield* runnerSettings({ identity, alpn: "test", serverName: serverName! })
      const peers = yield* makeRunnerPeers(client, settings)
      const address = RunnerAddress.make(host, port)
      world.cable!.set({ lossRate: 1 })
      const peer = yield* peers.of(address)
      const waiting = yield* Effect.forEach(Array.from({ length: 1024 }), () =>
        Effect.forkScoped(peer.connection)
      )
      yield* Effect.sleep(1)
      expect(yield* reasonOf(peer.connection)).toMatchObject({ _tag: "PeerBusy" })
      expect(yield* reasonOf(peers.connected(address, peer))).toMatchObject({ _tag: "HandshakeTimeout" })
      const found = yield* Effect.forkScoped(peers.connected(address, peer, "1 minute"))
      world.cable!.set({ lossRate: 0 })
      expect(yield* Fiber.join(found)).toBe(yield* Fiber.join(waiting[0]))
    }).pipe(quietly)
  )
})
