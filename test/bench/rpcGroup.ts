/** What the RPC benchmarks call. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"

const Item = Schema.Struct({ index: Schema.Number, text: Schema.String })

/** 64 bytes, as in the other benchmarks' calls. */
export const text = "x".repeat(64)

export const Group = RpcGroup.make(
  Rpc.make("Echo", { payload: { text: Schema.String }, success: Schema.String }),
  /** Each item is produced by an effect of its own, as rows of a cursor or events are. */
  Rpc.make("Items", { payload: { count: Schema.Number }, success: Item, stream: true })
)

export const handlers = Group.toLayer({
  Echo: (request) => Effect.succeed(request.text),
  Items: ({ count }) =>
    Stream.mapEffect(Stream.range(0, count - 1), (index) => Effect.sync(() => ({ index, text })))
})
