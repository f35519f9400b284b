/** How messages become bytes. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as Scope from "effect/Scope"

/** The one that is provided; else SchemaBinary, as the most compact of Effect's. */
export const serializationOf = (
  maxFrameBytes: number
): Effect.Effect<RpcSerialization.RpcSerialization["Service"], never, Scope.Scope> =>
  Effect.flatMap(Effect.serviceOption(RpcSerialization.RpcSerialization), (given) =>
    Option.isSome(given)
      ? Effect.succeed(given.value)
      : Effect.map(
          Layer.build(RpcSerialization.layerSchemaBinary({ maxFrameSize: maxFrameBytes })),
          Context.get(RpcSerialization.RpcSerialization)
        )
  )
