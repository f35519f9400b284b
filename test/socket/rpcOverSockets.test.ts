/** Effect's own RPC protocol for sockets, unchanged, over QUIC streams. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import { QuicSocket, QuicSocketServer } from "../../src/index.ts"
import { endpoints } from "../api/pair.ts"
import { live, simulated, type World } from "../api/World.ts"
import { rpcSuite } from "../rpc/rpcSuite.ts"

const sockets = (world: World) =>
  Layer.unwrap(
    Effect.map(endpoints(world), ({ client, connectOptions, server }) =>
      Layer.merge(
        RpcServer.layerProtocolSocketServer.pipe(Layer.provide(QuicSocketServer.layer({ endpoint: server }))),
        RpcClient.layerProtocolSocket().pipe(
          Layer.provide(QuicSocket.layerConnect({ endpoint: client, ...connectOptions }))
        )
      )
    )
  ).pipe(Layer.provide(RpcSerialization.layerSchemaBinary()))

rpcSuite({ name: "Effect's socket protocol over QUIC, live", universe: live, protocols: sockets })
rpcSuite({ name: "Effect's socket protocol over QUIC, simulated", universe: simulated, protocols: sockets })
