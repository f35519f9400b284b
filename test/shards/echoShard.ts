/** The program of a shard in the tests: answers every stream with the number of its shard and what it was sent. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ffi from "../../layers/ffi/index.ts"
import { layerWithoutTrust, ShardedEndpoint } from "../../layers/node/index.ts"
import { Identity, QuicEndpoint, Shard, Trust } from "../../src/index.ts"

export interface EchoShardData {
  readonly port: number
  readonly cert: string
  readonly key: string
  /** Default the portable layer. */
  readonly io?: "ffi"
  /** Ends the program before it has an endpoint. */
  readonly failure?: string
}

/** What a client sends to have the shard's thread end. */
export const DIE = "die"

const program = Effect.gen(function* () {
  const { port, cert, key, failure } = ShardedEndpoint.data as EchoShardData
  if (failure !== undefined) return yield* Effect.fail(new Error(failure))
  const identity = yield* Identity.fromPem({ cert, key })
  const shard = yield* Shard
  const endpoint = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    port,
    server: { alpn: ["echo"], identity, earlyData: true }
  })
  yield* endpoint.serveStreams(
    Effect.fnUntraced(function* (stream) {
      yield* stream.write(Uint8Array.of(shard!.index))
      for (;;) {
        const bytes = yield* stream.read()
        if (bytes === undefined) break
        if (new TextDecoder().decode(bytes) === DIE) process.exit(3)
        yield* stream.write(bytes.slice())
      }
      yield* stream.finish
    })
  )
})

const { io } = (ShardedEndpoint.data ?? {}) as Partial<EchoShardData>
const stack = io === "ffi" ? Ffi.layerWithoutTrust : layerWithoutTrust

if (ShardedEndpoint.isShard)
  ShardedEndpoint.run(
    program.pipe(
      Effect.scoped,
      Effect.provide(
        ShardedEndpoint.layer.pipe(Layer.provideMerge(Layer.merge(stack, Trust.layerRawKeys([]))))
      )
    )
  )
