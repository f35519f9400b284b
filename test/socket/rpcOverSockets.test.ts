/** Effect's own RPC protocol for sockets, unchanged, over QUIC streams. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { QuicEndpoint, QuicSocket, QuicSocketServer } from "../../src/index.ts"
import { endpoints, pinned } from "../api/pair.ts"
import { live, simulated } from "../api/World.ts"
import { rpcSuite } from "../rpc/rpcSuite.ts"
import type { Transport } from "../rpc/transports.ts"

const serialization = RpcSerialization.layerSchemaBinary()

/** Each call has a socket of the same connection. */
const shared: Transport = (world) =>
  Effect.gen(function* () {
    const { client, connectOptions, server } = yield* endpoints(world)
    const connection = yield* client.connect(connectOptions)
    return {
      server: RpcServer.layerProtocolSocketServer.pipe(
        Layer.provide(Layer.merge(Layer.orDie(QuicSocketServer.layer({ endpoint: server })), serialization))
      ),
      client: RpcClient.layerProtocolSocket().pipe(
        Layer.provide([QuicSocket.layer({ connection }), serialization])
      )
    }
  })

/** As over TCP: each side has an endpoint of its own, and a socket is a connection. */
const alone: Transport = (world) =>
  Effect.gen(function* () {
    const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
    const sides = yield* QuicSocketServer.layerListen({
      host: world.server.host,
      server: { alpn: ["rpc"], identity }
    }).pipe(Layer.provide([world.server.layer, pinned(identity)]), Layer.build)
    const { host, port } = (yield* Effect.provideContext(QuicEndpoint, sides)).localAddress
    return {
      server: RpcServer.layerProtocolSocketServer.pipe(
        Layer.provide([Layer.succeedContext(sides), serialization])
      ),
      client: RpcClient.layerProtocolSocket().pipe(
        Layer.provide(QuicSocket.layerConnect({ host, port, alpn: ["rpc"], serverName: "localhost" })),
        Layer.provide([world.client.layer, pinned(identity), serialization])
      )
    }
  })

rpcSuite({ name: "Effect's socket protocol over QUIC, live", universe: live, transport: alone })
rpcSuite({ name: "Effect's socket protocol over QUIC, simulated", universe: simulated, transport: alone })
rpcSuite({ name: "Effect's socket protocol over one connection", universe: simulated, transport: shared })
