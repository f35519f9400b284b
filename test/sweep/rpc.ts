/** Sweeps of RPC calls. */
import assert from "node:assert/strict"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RequestEncoded } from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import { QuicRpc } from "../../src/index.ts"
import { endpoints } from "../api/pair.ts"
import type { World } from "../api/World.ts"
import { Library, library } from "../rpc/suiteService.ts"
import type { Stage, Sweep } from "./sweep.ts"

interface Called extends Stage {
  readonly calls: Effect.Success<ReturnType<typeof library>>["calls"]
  readonly client: RpcClient.Protocol["Service"]
  readonly server: RpcServer.Protocol["Service"]
}

/** The library, called over a connection or a peer. */
const called = (over: "connection" | "peer") => (world: World) =>
  Effect.gen(function* () {
    const { client, connectOptions, server } = yield* endpoints(world)
    const connection = yield* over === "peer" ? client.peer(connectOptions) : client.connect(connectOptions)
    const both = Layer.merge(QuicRpc.layerServer({ endpoint: server }), QuicRpc.layerClient({ connection }))
    const context = yield* Layer.build(both)
    const protocols = {
      client: Context.get(context, RpcClient.Protocol),
      server: Context.get(context, RpcServer.Protocol)
    }
    const { calls } = yield* library({
      client: Layer.succeed(RpcClient.Protocol, protocols.client),
      server: Layer.succeed(RpcServer.Protocol, protocols.server)
    })
    yield* Effect.forkScoped(protocols.client.run(ID, () => Effect.void))
    const works = Effect.map(calls["shelf.Count"](), (count) => assert.equal(count, 7))
    yield* works
    return { endpoints: [client, server], works, calls, ...protocols } satisfies Called
  })

/** Of the client below. Effect's own begin at 0. */
const ID = 1_000_000

/**
 * Calls without Effect's `RpcClient`: interrupted before it has begun, its call of what is no stream dies, as it interrupts
 * a fiber that it has not started yet.
 */
const send = (
  { client }: Called,
  tag: "Get" | "Wait" | "Timed",
  payload: unknown,
  more: Partial<RequestEncoded> = {}
) => {
  const encode = Schema.encodeUnknownSync(client.codecFor(Library.requests.get(tag)!.payloadSchema))
  return client.send(ID, { _tag: "Request", id: 1, tag, payload: encode(payload), headers: [], ...more })
}

const calling = (
  name: string,
  operation: (stage: Called) => Effect.Effect<unknown, unknown>,
  over: "connection" | "peer" = "connection"
): Sweep<Called> => ({
  name: `rpc: ${name}`,
  stage: called(over),
  operation,
  afterwards: ({ server }) =>
    Effect.gen(function* () {
      yield* Effect.sleep(500)
      assert.deepEqual(yield* server.clientIds, new Set())
    })
})

const sweeps: ReadonlyArray<Sweep<Called>> = [
  calling("a call", (stage) => send(stage, "Get", { id: "1" })),
  calling("a call over a peer", (stage) => send(stage, "Get", { id: "1" }), "peer"),
  calling("a call that fails", (stage) => send(stage, "Get", { id: "0" })),
  calling("a call whose handler waits", (stage) => Effect.timeoutOption(send(stage, "Wait", undefined), 50)),
  calling("a call that wants no reply", (stage) => send(stage, "Timed", { fails: false }, { discard: true })),
  calling("a stream", ({ calls }) => Stream.runDrain(calls.Pages({ bytes: 10, count: 4 }))),
  calling("a stream taken in part", ({ calls }) =>
    Stream.runDrain(Stream.take(calls.Pages({ bytes: 10, count: 20 }), 2))
  )
]

export const rpcSweeps = sweeps as unknown as ReadonlyArray<Sweep<never>>
