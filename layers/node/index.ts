/**
 * The live stack for Node: sockets from `node:dgram`, the network interfaces, cryptography from `node:crypto`, DNS, and a verifier that trusts
 * the system's roots.
 *
 * **Example** (A client)
 *
 * ```ts
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Console, Effect } from "effect"
 * import { QuicEndpoint } from "effect-quic"
 * import { layer } from "effect-quic/layers/node"
 *
 * const program = Effect.gen(function* () {
 *   const endpoint = yield* QuicEndpoint.make()
 *   const connection = yield* endpoint.connect({ host: "example.org", port: 4433, alpn: ["hq-interop"] })
 *   yield* Console.log(connection.facts)
 * })
 *
 * NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(layer)))
 * ```
 *
 * @since 0.1.0
 */
import "./supportedNode.ts"
import * as NodeAddressResolver from "@effect/platform-node/NodeAddressResolver"
import * as NodeDns from "@effect/platform-node/NodeDns"
import * as Layer from "effect/Layer"
import * as NodeCertificateVerifier from "./NodeCertificateVerifier.ts"
import * as NodeCryptoSuite from "./NodeCryptoSuite.ts"
import * as NodeEntropy from "./NodeEntropy.ts"
import * as NodeKeyLog from "./NodeKeyLog.ts"
import * as NodeNetworkInterfaces from "./NodeNetworkInterfaces.ts"
import * as NodeQlog from "./NodeQlog.ts"
import * as NodeRelayPort from "./relay/NodeRelayPort.ts"
import * as NodeUdpPort from "./NodeUdpPort.ts"

export { LogFileError } from "./appendOnly.ts"
export * as NodeCertificateVerifier from "./NodeCertificateVerifier.ts"
export * as NodeCryptoSuite from "./NodeCryptoSuite.ts"
export * as NodeEntropy from "./NodeEntropy.ts"
export * as NodeIdentity from "./NodeIdentity.ts"
export * as NodeInspector from "./NodeInspector.ts"
export * as NodeKeyLog from "./NodeKeyLog.ts"
export * as NodeNetworkInterfaces from "./NodeNetworkInterfaces.ts"
export * as NodeQlog from "./NodeQlog.ts"
export * as NodeRelayPort from "./relay/NodeRelayPort.ts"
export * as NodeUdpPort from "./NodeUdpPort.ts"
export * as RelayServer from "./relay/RelayServer.ts"
export * as ShardedEndpoint from "./ShardedEndpoint.ts"

/**
 * Everything but sockets, cryptography and trust.
 *
 * **Details**
 *
 * Building it fails if `SSLKEYLOGFILE` or `QLOGDIR` is set and cannot be written.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSurroundings = Layer.mergeAll(
  NodeNetworkInterfaces.layer,
  NodeEntropy.layer,
  NodeKeyLog.layer,
  NodeQlog.layer,
  NodeRelayPort.layer,
  Layer.provide(NodeAddressResolver.layer, NodeDns.layer)
)

/**
 * Everything but the certificate verifier, which says whom to trust; merge it with one.
 *
 * **Details**
 *
 * Building it fails if `SSLKEYLOGFILE` or `QLOGDIR` is set and cannot be written.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithoutTrust = Layer.mergeAll(NodeUdpPort.layer, NodeCryptoSuite.layer, layerSurroundings)

/**
 * The complete live stack, trusting certificates that chain to the system's roots.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.merge(layerWithoutTrust, NodeCertificateVerifier.layer)
