/** The suite of Effect's behaviour, over QUIC and, to prove the suite itself, over Effect's TCP sockets. */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as SocketServer from "effect/socket/SocketServer"
import { QuicRpc } from "../../src/index.ts"
import { endpoints } from "../api/pair.ts"
import { live, simulated, type World } from "../api/World.ts"
import { rpcSuite } from "./rpcSuite.ts"

const quic = (world: World) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { client, connectOptions, server } = yield* endpoints(world)
      const connection = yield* client.connect(connectOptions)
      return Layer.merge(QuicRpc.layerServer({ endpoint: server }), QuicRpc.layerClient({ connection }))
    })
  )

const portOf = (address: SocketServer.SocketServer["Service"]["address"]): number => {
  if ("port" in address) return address.port
  throw new Error("a socket of a file")
}

const tcp = Layer.unwrap(
  Effect.map(SocketServer.SocketServer, ({ address }) =>
    RpcClient.layerProtocolSocket().pipe(
      Layer.provide(NodeSocket.layerNet({ host: "127.0.0.1", port: portOf(address) }))
    )
  )
).pipe(
  Layer.merge(RpcServer.layerProtocolSocketServer),
  Layer.provide(NodeSocketServer.layer({ host: "127.0.0.1", port: 0 })),
  Layer.provide(RpcSerialization.layerSchemaBinary())
)

rpcSuite({ name: "Effect's TCP sockets", universe: live, protocols: () => tcp })
rpcSuite({ name: "QUIC, live", universe: live, protocols: quic })
rpcSuite({ name: "QUIC, simulated", universe: simulated, protocols: quic })
rpcSuite({
  name: "QUIC, simulated at 5 % loss",
  universe: simulated,
  protocols: quic,
  disturb: ({ cable }) => cable!.set({ lossRate: 0.05 })
})
