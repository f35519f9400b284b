/**
 * Effect Cluster over QUIC: how runners call each other, and how they notice that one is gone.
 *
 * **Details**
 *
 * - Every two runners prove who they are to each other: the `CertificateVerifier` decides, for instance by the CA of the
 *   cluster (`NodeCertificateVerifier.layerAuthorities`) or by a set of raw keys (`Trust.layerRawKeys`)
 * - Each call has a stream of its own; signs of life, acknowledgements and interrupts go before what entities say
 * - A runner whose connection is lost, and not replaced in time, is unhealthy at once, in `RunnerStorage`, and its shards
 *   move: nobody waits for `runnerHealthCheckInterval`, which stays as a second look
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MessageStorage } from "effect/cluster/MessageStorage"
import { RunnerHealth } from "effect/cluster/RunnerHealth"
import * as RunnerServer from "effect/cluster/RunnerServer"
import type { RunnerStorage } from "effect/cluster/RunnerStorage"
import { RpcClientProtocol, type Runners } from "effect/cluster/Runners"
import type { Sharding } from "effect/cluster/Sharding"
import { ShardingConfig } from "effect/cluster/ShardingConfig"
import type { CertificateVerifier } from "./capability/CertificateVerifier.ts"
import type { CryptoSuite } from "./capability/CryptoSuite.ts"
import type { Entropy } from "./capability/Entropy.ts"
import type { UdpPort } from "./capability/UdpPort.ts"
import { makeRunnerProtocol, priorityOf } from "./cluster/clientProtocol.ts"
import { makeHealth, watchRunners } from "./cluster/health.ts"
import { makeRunnerPeers } from "./cluster/RunnerPeers.ts"
import { listening, type RunnerOptions, runnerSettings } from "./cluster/runnerOptions.ts"
import { QuicEndpoint } from "./QuicEndpoint.ts"
import type { QuicError } from "./QuicError.ts"
import * as QuicRpc from "./QuicRpc.ts"

export type { RunnerOptions } from "./cluster/runnerOptions.ts"

/**
 * What a runner needs: where it stores what, and the platform its endpoint runs on.
 *
 * @category models
 * @since 0.1.0
 */
export type Requirements =
  | ShardingConfig
  | MessageStorage
  | RunnerStorage
  | UdpPort
  | CryptoSuite
  | Entropy
  | CertificateVerifier

/**
 * A runner that hosts entities. It listens where `ShardingConfig` says: at `runnerListenAddress`, or else
 * `runnerAddress`; if that is a name, at all addresses.
 *
 * **Example** (A runner, from TCP to QUIC)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { type Identity, QuicRunner } from "effect-quic"
 * import { layerWithoutTrust, NodeCertificateVerifier } from "effect-quic/layers/node"
 *
 * // instead of NodeClusterSocket.layer({ storage: "byo" })
 * const runner = (identity: Identity.Identity, clusterCa: string) =>
 *   QuicRunner.layer({ identity }).pipe(
 *     Layer.provide(NodeCertificateVerifier.layerAuthorities([clusterCa])),
 *     Layer.provide(layerWithoutTrust)
 *   )
 * ```
 *
 * **Errors**: `InvalidOption`, also if `ShardingConfig` has no address of the runner, and `BindFailed`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: RunnerOptions): Layer.Layer<Sharding | Runners, QuicError, Requirements> =>
  Layer.provide(RunnerServer.layerWithClients, transport(options))

/**
 * Calls entities and hosts none. `identity` is what it proves itself with to the runners.
 *
 * **Errors**: `InvalidOption` and `BindFailed`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClientOnly = (
  options: RunnerOptions
): Layer.Layer<Sharding | Runners, QuicError, Requirements> =>
  Layer.provide(RunnerServer.layerClientOnly, clientTransport(options))

/** Everything that Effect's `RunnerServer.layerWithClients` asks of a transport. */
const transport = (options: RunnerOptions) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const settings = yield* runnerSettings(options)
      const endpoint = yield* QuicEndpoint.make(yield* listening(settings, yield* ShardingConfig))
      const peers = yield* makeRunnerPeers(endpoint, settings)
      yield* watchRunners(peers)
      return Layer.mergeAll(
        QuicRpc.layerServer({ endpoint, priorityOf, ...settings.frames }),
        Layer.effect(RpcClientProtocol, makeRunnerProtocol(peers, settings)),
        Layer.succeed(RunnerHealth, makeHealth(peers))
      )
    })
  )

const clientTransport = (options: RunnerOptions) =>
  Layer.effect(
    RpcClientProtocol,
    Effect.gen(function* () {
      const settings = yield* runnerSettings(options)
      const endpoint = yield* QuicEndpoint.make(settings.endpoint)
      return yield* makeRunnerProtocol(yield* makeRunnerPeers(endpoint, settings), settings)
    })
  )
