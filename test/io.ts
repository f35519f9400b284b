/**
 * The sockets and the cryptography of tests: `EFFECT_QUIC_IO` is `ffi` for those of `node:ffi`, which must all be there, or
 * `portable`, the default.
 */
import * as Layer from "effect/Layer"
import * as FfiCryptoSuite from "../layers/ffi/FfiCryptoSuite.ts"
import * as FfiUdpPort from "../layers/ffi/FfiUdpPort.ts"
import { whatIsMissing } from "../layers/ffi/fallback.ts"
import { layerSurroundings, NodeCryptoSuite, NodeUdpPort } from "../layers/node/index.ts"
import { CryptoSuite, type CryptoSuiteShape } from "../src/capability/CryptoSuite.ts"
import { UdpPort, type UdpPortShape } from "../src/capability/UdpPort.ts"

interface Io {
  readonly suite: CryptoSuiteShape
  readonly port: UdpPortShape
}

const ffi = (): Io => {
  const { suite, missing: ofSuite } = FfiCryptoSuite.get()
  const { port, missing: ofPort } = FfiUdpPort.get()
  const missing = [...ofPort, ...ofSuite]
  if (missing.length > 0) throw new Error(`EFFECT_QUIC_IO=ffi: there is no ${whatIsMissing(missing)}`)
  return { suite, port }
}

const chosen = (value: string): Io => {
  if (value === "ffi") return ffi()
  if (value === "portable") return { suite: NodeCryptoSuite.suite, port: NodeUdpPort.make() }
  throw new Error(`EFFECT_QUIC_IO=${value}: can only be portable or ffi`)
}

/** What the tests of this process use. */
export const { suite, port } = chosen(process.env.EFFECT_QUIC_IO || "portable")

export const LiveCryptoSuite = { suite, layer: Layer.succeed(CryptoSuite, suite) } as const

export const LiveUdpPort = { port, layer: Layer.succeed(UdpPort, port) } as const

/** As that of `layers/node`. */
export const layerWithoutTrust = Layer.mergeAll(LiveUdpPort.layer, LiveCryptoSuite.layer, layerSurroundings)
