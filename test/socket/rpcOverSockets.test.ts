/** Effect's own RPC protocol for sockets, unchanged, over QUIC streams. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import { QuicSocket, QuicSocketServer } from "../../src/index.ts"
import { endpoints } from "../api/pair.ts"
import { live, simulated } from "../api/World.ts"
import { rpcSuite } from "../rpc/rpcSuite.ts"
import type { Transport } from "../rpc/transports.ts"

const sockets: Transport = (world) =>
  Effect.map(endpoints(world), ({ client, connectOptions, server }) => {
    const serialization = RpcSerialization.layerSchemaBinary()
    return {
      server: RpcServer.layerProtocolSocketServer.pipe(
        Layer.provide(Layer.merge(Layer.orDie(QuicSocketServer.layer({ endpoint: server })), serialization))
      ),
      client: RpcClient.layerProtocolSocket().pipe(
        Layer.provide(QuicSocket.layerConnect({ endpoint: client, ...connectOptions })),
        Layer.provide(serialization)
      )
    }
  })

rpcSuite({ name: "Effect's socket protocol over QUIC, live", universe: live, transport: sockets })
rpcSuite({ name: "Effect's socket protocol over QUIC, simulated", universe: simulated, transport: sockets })
