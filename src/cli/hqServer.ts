/** Serves the files of a directory, one per stream. */
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
import { type StopEvent, untilStopped } from "./untilStopped.ts"

/** Events reported by a server. */
export type ServeEvent =
  | { readonly event: "listening"; readonly address: SocketAddress }
  | { readonly event: "connected"; readonly client: string; readonly cipherSuite: string }
  | {
      readonly event: "sent"
      readonly client: string
      readonly path: string
      readonly bytes: number
      readonly millis: number
      /** Whether the client acknowledged all of it before disconnecting. */
      readonly acknowledged: boolean
      readonly sha256: string
      /** Total of the connection so far. */
      readonly packetsSent: number
      readonly packetsLost: number
    }
  | {
      readonly event: "refused"
      readonly client: string
      readonly path: string | undefined
      readonly reason: string
    }
  /** The client has given a request up, or is gone. */
  | { readonly event: "unfinished"; readonly client: string; readonly reason: string }
  | { readonly event: "disconnected"; readonly client: string; readonly reason: string | undefined }
  | StopEvent

export interface HqServer {
  readonly endpoint: EndpointOptions
  readonly directory: ServedDirectory
  readonly report: (event: ServeEvent) => Effect.Effect<void>
  /** How long transfers may go on once this process is asked to stop. */
  readonly drainSeconds: number
}

const readBytes = 131_072

const answer = Effect.fnUntraced(function* (
  { directory, report }: HqServer,
  connection: QuicConnection,
  stream: QuicStream
) {
  const host = yield* CliHost
  const client = formatAddress(connection.remoteAddress)
  const line = yield* readRequestLine(stream)
  const path = line === undefined ? undefined : parseRequest(line)
  const refuse = (code: number, reason: string) =>
    Effect.andThen(stream.reset(code), report({ event: "refused", client, path: path ?? line, reason }))
  if (line === undefined)
    return yield* refuse(HqRefusal.badRequest, `no end of line within ${maxRequestBytes} bytes`)
  if (path === undefined) return yield* refuse(HqRefusal.badRequest, "not a GET request")
  const served = yield* directory.open(path)
  if (served === undefined) return yield* refuse(HqRefusal.notFound, "not a file in the served directory")

  const startedAt = host.monotonicMillis()
  const digest = host.sha256()
  let sent = 0
  for (;;) {
    const read = yield* Effect.option(served.file.readAlloc(readBytes))
    if (Option.isNone(read)) return yield* refuse(HqRefusal.failed, "cannot read the file")
    if (Option.isNone(read.value)) break
    const bytes = read.value.value
    sent += bytes.length
    digest.update(bytes)
    yield* stream.write(bytes)
  }
  yield* stream.finish
  // a client may disconnect as soon as it has everything, which interrupts this fiber; report the transfer regardless
  yield* Effect.onExit(stream.finished, (exit) => {
    const { packetsLost, packetsSent } = connection.stats
    return report({
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

/** Serves until this process is asked to stop. */
export const serveDirectory = Effect.fnUntraced(function* (server: HqServer) {
  const { report } = server
  const endpoint = yield* QuicEndpoint.make(server.endpoint)
  yield* report({ event: "listening", address: endpoint.localAddress })
  const serving = endpoint.serve(
    Effect.fnUntraced(function* (connection: QuicConnection) {
      const client = formatAddress(connection.remoteAddress)
      yield* report({ event: "connected", client, cipherSuite: connection.facts.cipherSuite })
      yield* connection
        .serveStreams((stream) =>
          Effect.catchTag(answer(server, connection, stream), "QuicError", ({ message }) =>
            report({ event: "unfinished", client, reason: message })
          )
        )
        .pipe(
          Effect.matchEffect({
            onSuccess: () => report({ event: "disconnected", client, reason: undefined }),
            onFailure: ({ message }) => report({ event: "disconnected", client, reason: message })
          })
        )
    })
  )
  yield* untilStopped(endpoint, serving, server.drainSeconds, report)
})
