/** Calls that share a connection with other things, and with calls the other way. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcServer from "effect/rpc/RpcServer"
import { describe, expect } from "vitest"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { Identity, type Peer, type QuicConnection, QuicRpc, Trust } from "../../src/index.ts"
import { endpoints, pair, pinned, readText, text } from "../api/pair.ts"
import { live, simulated } from "../api/World.ts"

const Names = RpcGroup.make(
  Rpc.make("Name", { success: Schema.String }),
  Rpc.make("Caller", { success: Schema.String })
)

/** A server of calls that says its name. */
const server = Effect.fnUntraced(function* (name: string) {
  const handlers = Names.toLayer({
    Name: () => Effect.succeed(name),
    Caller: () =>
      Effect.map(
        QuicRpc.QuicPeer,
        (caller) =>
          // what a log would show of it
          [JSON.parse(JSON.stringify(caller))].map(({ certificate, address, paths }) =>
            [certificate?._tag, address.host, paths.length].join(" ")
          )[0]
      )
  })
  const served = RpcServer.layer(Names).pipe(
    Layer.provide(handlers),
    Layer.provideMerge(QuicRpc.layerAttached())
  )
  return Context.get(yield* Layer.build(served), QuicRpc.CallServer)
})

const clientOf = Effect.fnUntraced(function* (connection: QuicConnection | Peer) {
  const context = yield* Layer.build(QuicRpc.layerClient({ connection }))
  return yield* Effect.provideContext(RpcClient.make(Names), context)
})

describe.each([live, simulated])("C9: a connection that carries calls, $name", (universe) => {
  universe.it("carries calls both ways, and the application's own streams", (world) =>
    Effect.gen(function* () {
      const { far, near } = yield* pair(world)
      yield* (yield* server("far")).attach(far)
      yield* (yield* server("near")).attach(near)
      const echo = far.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
      yield* Effect.forkScoped(echo)
      expect(yield* (yield* clientOf(near)).Name()).toBe("far")
      expect(yield* (yield* clientOf(far)).Name()).toBe("near")
      const stream = yield* near.openBidi
      yield* stream.write(text("RPC, but not one"))
      yield* stream.finish
      expect(yield* readText(stream)).toBe("RPC, but not one")
    })
  )

  universe.it("carries calls to the client of a peer, over its reconnects", (world) =>
    Effect.gen(function* () {
      const both = yield* endpoints(world)
      const peer = yield* both.client.peer(both.connectOptions)
      yield* (yield* server("client")).attach(peer)
      for (let i = 0; i < 2; i++) {
        const far = yield* both.server.accept
        expect(yield* (yield* clientOf(far)).Name()).toBe("client")
        yield* peer.restart
      }
    })
  )

  universe.it(
    "tells handlers the certificate or the key of their caller, its address and its paths",
    (world) =>
      Effect.gen(function* () {
        const raw = yield* Effect.provide(Identity.generateRawKey, world.client.layer)
        const chain = yield* NodeIdentity.developmentCertificate()
        for (const [identity, trust, tag] of [
          [raw, Trust.layerRawKeys([raw.peerId]), "rawPublicKey"],
          [chain, pinned(chain), "x509"],
          [undefined, undefined, ""]
        ] as const) {
          const { far, near } = yield* pair(world, {
            ...(identity && {
              client: { identity },
              serverTrust: trust,
              server: { clientCertificate: "require" }
            })
          })
          yield* (yield* server("far")).attach(far)
          expect(yield* (yield* clientOf(near)).Caller()).toBe(`${tag} ${world.client.host} 1`)
        }
      })
  )
})

describe("C9: an endpoint that serves nobody", () => {
  simulated.it("cannot serve calls, which is a defect and not silence", (world) =>
    Effect.gen(function* () {
      const { client } = yield* endpoints(world)
      const exit = yield* Effect.exit(Layer.build(QuicRpc.layerServer({ endpoint: client })))
      expect(String(exit)).toContain("server")
    })
  )
})
