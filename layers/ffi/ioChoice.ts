/** Which sockets and cryptography: what `node:ffi` gives, or the portable ones. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { CryptoSuite, type CryptoSuiteShape } from "../../src/capability/CryptoSuite.ts"
import { UdpPort, type UdpPortShape } from "../../src/capability/UdpPort.ts"
import * as NodeCryptoSuite from "../node/NodeCryptoSuite.ts"
import * as NodeUdpPort from "../node/NodeUdpPort.ts"
import * as FfiCryptoSuite from "./FfiCryptoSuite.ts"
import * as FfiUdpPort from "./FfiUdpPort.ts"
import { reportFallback, whatIsMissing } from "./fallback.ts"

const VARIABLE = "EFFECT_QUIC_IO"

/**
 * `EFFECT_QUIC_IO` asks for what there is not. `message` is one line with the value and the reason.
 *
 * @category errors
 * @since 0.1.0
 */
export class IoUnavailable extends Schema.TaggedError<IoUnavailable>()("IoUnavailable", {
  /** What the variable says. */
  value: Schema.String,
  /** What is wrong with it. */
  problem: Schema.String
}) {
  override get message(): string {
    return `${VARIABLE}=${this.value}: ${this.problem}`
  }
}

const provide = (udpPort: UdpPortShape, cryptoSuite: CryptoSuiteShape) =>
  Layer.merge(Layer.succeed(UdpPort, udpPort), Layer.succeed(CryptoSuite, cryptoSuite))

const portable = provide(NodeUdpPort.make(), NodeCryptoSuite.suite)

const native = () => {
  const crypto = FfiCryptoSuite.get()
  const udp = FfiUdpPort.get()
  return { layer: provide(udp.port, crypto.suite), missing: [...udp.missing, ...crypto.missing] }
}

/**
 * Sockets and cryptography by `node:ffi`, or by the portable layer where that is missing, which is logged in one line.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerIo: Layer.Layer<UdpPort | CryptoSuite> = Layer.unwrap(
  Effect.suspend(() => {
    const { layer, missing } = native()
    return Effect.as(reportFallback(missing), layer)
  })
)

const forced = Effect.suspend(() => {
  const { layer, missing } = native()
  return missing.length === 0
    ? Effect.succeed(layer)
    : Effect.fail(new IoUnavailable({ value: "ffi", problem: `there is no ${whatIsMissing(missing)}` }))
})

/**
 * As `layerIo`, unless `EFFECT_QUIC_IO` forces one of them: `portable`, or `ffi`, with which whatever is missing is an
 * error.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerIoConfig: Layer.Layer<UdpPort | CryptoSuite, Config.ConfigError | IoUnavailable> =
  Layer.unwrap(
    Effect.gen(function* () {
      const value = Option.getOrElse(yield* Config.option(Config.String(VARIABLE)), () => "")
      if (value === "") return layerIo
      if (value === "portable") return portable
      if (value === "ffi") return yield* forced
      return yield* Effect.fail(new IoUnavailable({ value, problem: "can only be portable or ffi" }))
    })
  )
