/** Gives away the files of a directory, one stream a file. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { QuicConnection } from "../QuicConnection.ts"
import type { EndpointOptions } from "../EndpointOptions.ts"
import { QuicEndpoint } from "../QuicEndpoint.ts"
import type { QuicStream } from "../QuicStream.ts"
import { type SocketAddress, formatAddress } from "../wire/SocketAddress.ts"
import { CliHost } from "./CliHost.ts"
import { HqRefusal, maxRequestBytes, parseRequest, readRequestLine } from "./hqRequest.ts"
import type { ServedDirectory } from "./ServedDirectory.ts"

/** What a server has to tell. */
export type ServeEvent =
  | { readonly event: "listening"; readonly address: SocketAddress }
  | { readonly event: "connected"; readonly client: string; readonly cipherSuite: string }
  | {
      readonly event: "sent"
      readonly client: string
      readonly path: string
      readonly bytes: number
      readonly millis: number
      /** Whether the client was heard to have all of it before it left. */
      readonly acknowledged: boolean
      readonly sha256: string
      /** Of the whole connection, so far. */
      readonly packetsSent: number
      readonly packetsLost: number
    }
  | {
      readonly event: "refused"
      readonly client: string
      readonly path: string | undefined
      readonly reason: string
    }
  | { readonly event: "disconnected"; readonly client: string; readonly reason: string | undefined }

export interface HqServer {
  readonly endpoint: EndpointOptions
  readonly directory: ServedDirectory
  readonly tell: (event: ServeEvent) => Effect.Effect<void>
}

const readBytes = 131_072

const answer = Effect.fnUntraced(function* (
  { directory, tell }: HqServer,
  connection: QuicConnection,
  stream: QuicStream
) {
  const host = yield* CliHost
  const client = formatAddress(connection.remoteAddress)
  const line = yield* readRequestLine(stream)
  const path = line === undefined ? undefined : parseRequest(line)
  const refuse = (code: number, reason: string) =>
    Effect.andThen(stream.reset(code), tell({ event: "refused", client, path: path ?? line, reason }))
  if (line === undefined)
    return yield* refuse(HqRefusal.badRequest, `no end of line within ${maxRequestBytes} bytes`)
  if (path === undefined) return yield* refuse(HqRefusal.badRequest, "not a GET request")
  const served = yield* directory.open(path)
  if (served === undefined) return yield* refuse(HqRefusal.notFound, "not a file below the directory served")

  const startedAt = host.monotonicMillis()
  const digest = host.sha256()
  let sent = 0
  for (;;) {
    const read = yield* Effect.option(served.file.readAlloc(readBytes))
    if (Option.isNone(read)) return yield* refuse(HqRefusal.failed, "the file cannot be read")
    if (Option.isNone(read.value)) break
    const bytes = read.value.value
    sent += bytes.length
    digest.update(bytes)
    yield* stream.write(bytes)
  }
  yield* stream.finish
  // a client may well leave as soon as it has everything: that ends this fiber, but not what there is to tell
  yield* Effect.onExit(stream.finished, (exit) => {
    const { packetsLost, packetsSent } = connection.stats
    return tell({
      event: "sent",
      client,
      path,
      bytes: sent,
      millis: host.monotonicMillis() - startedAt,
      acknowledged: Exit.isSuccess(exit),
      sha256: digest.hex(),
      packetsSent,
      packetsLost
    })
  })
})

/** Serves until it is interrupted. */
export const serveDirectory = Effect.fnUntraced(function* (server: HqServer) {
  const { tell } = server
  const endpoint = yield* QuicEndpoint.make(server.endpoint)
  yield* tell({ event: "listening", address: endpoint.localAddress })
  return yield* endpoint.serve(
    Effect.fnUntraced(function* (connection: QuicConnection) {
      const client = formatAddress(connection.remoteAddress)
      yield* tell({ event: "connected", client, cipherSuite: connection.facts.cipherSuite })
      yield* connection
        .serveStreams((stream) =>
          Effect.catchTag(answer(server, connection, stream), "QuicError", ({ message }) =>
            tell({ event: "refused", client, path: undefined, reason: message })
          )
        )
        .pipe(
          Effect.matchEffect({
            onSuccess: () => tell({ event: "disconnected", client, reason: undefined }),
            onFailure: ({ message }) => tell({ event: "disconnected", client, reason: message })
          })
        )
    })
  )
})
