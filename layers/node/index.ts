/**
 * The live stack on Node: sockets from `node:dgram`, cryptography from `node:crypto`, DNS, and a certificate verifier with
 * the system's roots.
 */
import * as NodeAddressResolver from "@effect/platform-node/NodeAddressResolver"
import * as NodeDns from "@effect/platform-node/NodeDns"
import * as Layer from "effect/Layer"
import * as NodeCertificateVerifier from "./NodeCertificateVerifier.ts"
import * as NodeCryptoSuite from "./NodeCryptoSuite.ts"
import * as NodeEntropy from "./NodeEntropy.ts"
import * as NodeKeyLog from "./NodeKeyLog.ts"
import * as NodeQlog from "./NodeQlog.ts"
import * as NodeUdpPort from "./NodeUdpPort.ts"

export * as NodeCertificateVerifier from "./NodeCertificateVerifier.ts"
export * as NodeCryptoSuite from "./NodeCryptoSuite.ts"
export * as NodeEntropy from "./NodeEntropy.ts"
export * as NodeIdentity from "./NodeIdentity.ts"
export * as NodeInspector from "./NodeInspector.ts"
export * as NodeKeyLog from "./NodeKeyLog.ts"
export * as NodeQlog from "./NodeQlog.ts"
export * as NodeUdpPort from "./NodeUdpPort.ts"

/** Everything but the certificate verifier; merge it with one. */
export const layerWithoutTrust = Layer.mergeAll(
  NodeUdpPort.layer,
  NodeCryptoSuite.layer,
  NodeEntropy.layer,
  NodeKeyLog.layer,
  NodeQlog.layer,
  Layer.provide(NodeAddressResolver.layer, NodeDns.layer)
)

/** The complete live stack, trusting certificates that chain to the system's roots. */
export const layer = Layer.merge(layerWithoutTrust, NodeCertificateVerifier.layer)
