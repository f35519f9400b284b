/** What carries RPC in tests: QUIC, and Effect's TCP sockets. */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as SocketServer from "effect/socket/SocketServer"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { QuicEndpoint, QuicRpc, Trust } from "../../src/index.ts"
import { endpoints, pinned } from "../api/pair.ts"
import type { World } from "../api/World.ts"

/** A server, and clients that call it; each client that is built has a connection of its own. */
export interface Ends {
  readonly server: Layer.Layer<RpcServer.Protocol>
  readonly client: Layer.Layer<RpcClient.Protocol, unknown>
}

export type Transport = (world: World) => Effect.Effect<Ends, unknown, Scope.Scope>

export const quic: Transport = (world) =>
  Effect.map(endpoints(world), ({ client, connectOptions, server }) => ({
    server: QuicRpc.layerServer({ endpoint: server }),
    client: Layer.unwrap(
      Effect.map(client.connect(connectOptions), (connection) => QuicRpc.layerClient({ connection }))
    )
  }))

/** As a program has it: a Layer for each end, and no endpoint in sight. */
export const quicLayers: Transport = ({ client, server }) =>
  Effect.gen(function* () {
    const identity = yield* NodeIdentity.developmentCertificate()
    const listening = QuicRpc.layerListen({ host: server.host, server: { alpn: ["test"], identity } }).pipe(
      Layer.provide([server.layer, Trust.layerRawKeys([])])
    )
    const context = yield* Layer.build(listening)
    const { port } = Context.get(context, QuicEndpoint).localAddress
    const connecting = QuicRpc.layerConnect({
      host: server.host,
      port,
      alpn: ["test"],
      serverName: "localhost"
    })
    return {
      server: Layer.succeed(RpcServer.Protocol, Context.get(context, RpcServer.Protocol)),
      client: Layer.provide(connecting, [client.layer, pinned(identity)])
    }
  })

const portOf = (address: SocketServer.SocketServer["Service"]["address"]): number => {
  if ("port" in address) return address.port
  throw new Error("a socket of a file")
}

export const tcp: Transport = () =>
  Effect.map(Layer.build(NodeSocketServer.layer({ host: "127.0.0.1", port: 0 })), (context) => {
    const socketServer = Context.get(context, SocketServer.SocketServer)
    const serialization = RpcSerialization.layerSchemaBinary()
    return {
      server: RpcServer.layerProtocolSocketServer.pipe(
        Layer.provide([Layer.succeed(SocketServer.SocketServer, socketServer), serialization])
      ),
      client: RpcClient.layerProtocolSocket().pipe(
        Layer.provide(NodeSocket.layerNet({ host: "127.0.0.1", port: portOf(socketServer.address) })),
        Layer.provide(serialization)
      )
    }
  })
