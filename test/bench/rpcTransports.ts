/** Effect RPC over each transport: a server with the same handlers, and a client, with the same serialization. */
import * as http from "node:https"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Scope from "effect/Scope"
import * as SocketServer from "effect/socket/SocketServer"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { QuicEndpoint, QuicRpc } from "../../src/index.ts"
import { certificate } from "./identity.ts"
import { Group, handlers } from "./rpcGroup.ts"
import { layerWithoutTrust } from "../io.ts"

export interface Place {
  readonly host: string
  readonly port: number
}

export interface RpcTransport {
  /** Serves `Group` at that address; returns the port. */
  readonly serve: (host: string) => Effect.Effect<number, unknown, Scope.Scope>
  readonly protocol: (place: Place) => Layer.Layer<RpcClient.Protocol, unknown>
}

const serialization = RpcSerialization.layerSchemaBinary()
const alpn = ["rpc"]
const { identity, certPem, keyPem } = await certificate()

const rpcServer = RpcServer.layer(Group, { disableTracing: true }).pipe(Layer.provide(handlers))

const quic: RpcTransport = {
  serve: Effect.fnUntraced(function* (host) {
    const stack = yield* Layer.build(
      Layer.merge(layerWithoutTrust, NodeCertificateVerifier.layerPinnedCertificates(identity.chain))
    )
    const endpoint = yield* Effect.provideContext(
      QuicEndpoint.make({ host, server: { alpn, identity } }),
      stack
    )
    yield* rpcServer.pipe(
      Layer.provide(QuicRpc.layerServer({ endpoint })),
      Layer.provide(serialization),
      Layer.build
    )
    return endpoint.localAddress.port
  }),
  protocol: ({ host, port }) =>
    Layer.unwrap(
      Effect.gen(function* () {
        const endpoint = yield* QuicEndpoint.make({ host: "0.0.0.0" })
        const connection = yield* endpoint.connect({ host, port, alpn, serverName: "localhost" })
        return QuicRpc.layerClient({ connection })
      })
    ).pipe(
      Layer.provide(serialization),
      Layer.provide(
        Layer.merge(layerWithoutTrust, NodeCertificateVerifier.layerPinnedCertificates(identity.chain))
      )
    )
}

const tls: RpcTransport = {
  serve: Effect.fnUntraced(function* (host) {
    const sockets = NodeSocketServer.layerTls({
      host,
      port: 0,
      cert: certPem,
      key: keyPem,
      minVersion: "TLSv1.3",
      noDelay: true
    })
    const context = yield* rpcServer.pipe(
      Layer.provide(RpcServer.layerProtocolSocketServer),
      Layer.provideMerge(sockets),
      Layer.provide(serialization),
      Layer.build
    )
    const { address } = Context.get(context, SocketServer.SocketServer)
    return (address as unknown as { readonly port: number }).port
  }),
  protocol: ({ host, port }) =>
    RpcClient.layerProtocolSocket().pipe(
      Layer.provide(
        NodeSocket.layerTls({ host, port, servername: "localhost", ca: certPem, noDelay: true } as never)
      ),
      Layer.provide(serialization)
    )
}

const https: RpcTransport = {
  serve: Effect.fnUntraced(function* (host) {
    const server = NodeHttpServer.layer(
      () => http.createServer({ cert: certPem, key: keyPem, minVersion: "TLSv1.3", noDelay: true }),
      { host, port: 0 }
    )
    const routes = rpcServer.pipe(
      Layer.provideMerge(RpcServer.layerProtocolHttp({ path: "/rpc" })),
      Layer.provide(serialization)
    )
    const context = yield* HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(server),
      Layer.build
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    return (address as unknown as { readonly port: number }).port
  }),
  protocol: ({ host, port }) =>
    RpcClient.layerProtocolHttp({ url: `https://${host}:${port}/rpc` }).pipe(
      Layer.provide(
        NodeHttpClient.layerNodeHttpOptions({
          ca: certPem,
          servername: "localhost",
          keepAlive: true
        } as never)
      ),
      Layer.provide(serialization)
    )
}

export const rpcTransports = {
  "effect-quic": quic,
  "NodeSocket, TLS": tls,
  HTTPS: https
} as const satisfies { [name: string]: RpcTransport }

export type RpcSystem = keyof typeof rpcTransports
