/**
 * Which runners live, by their connections: a runner is dead once its connection is lost and not replaced in time.
 *
 * The cluster asks only one of its runners, and rarely. So every runner watches all others and says at once, in
 * `RunnerStorage`, what has become of them.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { RunnerAddress } from "effect/cluster/RunnerAddress"
import type { RunnerHealth } from "effect/cluster/RunnerHealth"
import { RunnerStorage } from "effect/cluster/RunnerStorage"
import { ShardingConfig } from "effect/cluster/ShardingConfig"
import * as Equal from "effect/Equal"
import { nextConnection, type RunnerPeers } from "./RunnerPeers.ts"

/** How long a runner that is new, or unknown since this one has started, may take. */
const JOINING: Duration.Input = "5 seconds"

/** Pause after a storage that fails. */
const RETRY = Schedule.spaced("500 millis")

export const makeHealth = (peers: RunnerPeers): RunnerHealth["Service"] => ({
  isAlive: (address) =>
    Effect.flatMap(peers.of(address), (peer) => peers.connected(address, peer)).pipe(
      Effect.scoped,
      Effect.isSuccess
    )
})

/** Watches the registered runners for as long as the scope lasts. */
export const watchRunners = Effect.fnUntraced(function* (peers: RunnerPeers) {
  const storage = yield* RunnerStorage
  const { refreshAssignmentsInterval, runnerAddress } = yield* ShardingConfig
  if (Option.isNone(runnerAddress)) return
  const own = runnerAddress.value
  const watched = yield* FiberMap.make<RunnerAddress>()
  const say = (address: RunnerAddress, isAlive: boolean) =>
    Effect.ignore(Effect.retry(report(storage, own, address, isAlive), RETRY))
  const look = Effect.gen(function* () {
    const known = new Set<RunnerAddress>()
    for (const [{ address }] of yield* storage.getRunners) {
      if (Equal.equals(address, own)) continue
      known.add(address)
      yield* FiberMap.run(watched, address, watch(peers, address, say), { onlyIfMissing: true })
    }
    for (const [address] of watched)
      if (![...known].some((each) => Equal.equals(each, address))) yield* FiberMap.remove(watched, address)
  })
  yield* Effect.ignore(look).pipe(
    Effect.andThen(Effect.sleep(refreshAssignmentsInterval)),
    Effect.forever,
    Effect.forkScoped
  )
})

type Say = (address: RunnerAddress, isAlive: boolean) => Effect.Effect<void>

/** Ends when the endpoint does. */
const watch = (peers: RunnerPeers, address: RunnerAddress, say: Say): Effect.Effect<void> =>
  Effect.gen(function* () {
    const peer = yield* peers.of(address)
    // one that has just joined may be busy
    let patience: Duration.Input | undefined = JOINING
    while (true) {
      const found = yield* Effect.result(peers.connected(address, peer, patience))
      patience = undefined
      if (Result.isFailure(found)) {
        const state = yield* peer.state
        const why = (state._tag === "Connecting" && state.lastFailure) || found.failure
        yield* Effect.logWarning(`A runner cannot be reached: ${why.message}`)
        // whoever is back before storage has been told is not dead
        yield* Effect.raceFirst(say(address, false), nextConnection(peer))
        yield* nextConnection(peer)
        yield* say(address, true)
      } else yield* found.success.closed
    }
  }).pipe(
    Effect.annotateLogs({ module: "QuicRunner", runner: String(address) }),
    Effect.scoped,
    Effect.ignore
  )

/**
 * Only a runner that is healthy itself may say that another is not: of two that cannot reach each other, the first that
 * says so remains. The last healthy one stays so, or nobody could serve.
 */
const report = Effect.fnUntraced(function* (
  storage: RunnerStorage["Service"],
  own: RunnerAddress,
  address: RunnerAddress,
  isAlive: boolean
) {
  const runners = yield* storage.getRunners
  const isHealthy = (which: RunnerAddress) =>
    runners.find(([runner]) => Equal.equals(runner.address, which))?.[1]
  const before = isHealthy(address)
  if (before === undefined || before === isAlive || (!isAlive && isHealthy(own) !== true)) return
  yield* storage.setRunnerHealth(address, isAlive)
})
