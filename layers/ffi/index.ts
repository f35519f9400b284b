/**
 * The live stack with OpenSSL called by `node:ffi`: several times faster than `effect-quic/layers/node`, on Linux x64 and
 * arm64 with Node 26 or later. What is missing elsewhere is that layer's, and one log line says what and why.
 *
 * **Details**
 *
 * `node:ffi` is experimental, and prints a warning when it is loaded.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import { layerSurroundings, NodeCertificateVerifier } from "../node/index.ts"
import { layerIo } from "./ioChoice.ts"

export { LogFileError } from "../node/index.ts"
export * as FfiCryptoSuite from "./FfiCryptoSuite.ts"
export * as FfiUdpPort from "./FfiUdpPort.ts"
export { IoUnavailable, layerIo, layerIoConfig } from "./ioChoice.ts"
export type { Missing } from "./native.ts"

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
export const layerWithoutTrust = Layer.merge(layerIo, layerSurroundings)

/**
 * The complete live stack, trusting certificates that chain to the system's roots.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.merge(layerWithoutTrust, NodeCertificateVerifier.layer)
