/** Our side, and the only user of the public API here. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import type { CertificateVerifier } from "../../src/capability/CertificateVerifier.ts"
import type { QuicPath } from "../../src/QuicPath.ts"
import type { QuicConnection } from "../../src/QuicConnection.ts"
import { QuicEndpoint } from "../../src/QuicEndpoint.ts"
import { QuicError } from "../../src/QuicError.ts"
import * as Trust from "../../src/Trust.ts"
import type { Beside } from "./application/Exchange.ts"
import { http3 } from "./application/http3.ts"
import { transfer } from "./application/transfer.ts"
import { serverName } from "./material.ts"
import {
  type ClientTask,
  type Implementation,
  InteropFailure,
  type Received,
  type Seen,
  type Task
} from "./Peer.ts"
import { Version } from "../../src/wire/PacketType.ts"
import { type StreamReceived, combineStreams } from "./Receipt.ts"
import { layerWithoutTrust } from "../io.ts"

const loopback = "127.0.0.1"
const exchanges = { transfer, http3 }

const trustIn = ({ trusted }: Task): Layer.Layer<CertificateVerifier> =>
  trusted.kind === "x509"
    ? Layer.orDie(NodeCertificateVerifier.layerAuthorities([trusted.authority]))
    : Trust.layerRawKeys([trusted.identity.spki])

const stackFor = (task: Task) => Layer.merge(Layer.orDie(layerWithoutTrust), trustIn(task))

const explain = (error: unknown): InteropFailure =>
  error instanceof InteropFailure
    ? error
    : error instanceof QuicError
      ? new InteropFailure({ reason: `${error.reason._tag}: ${error.message}` })
      : new InteropFailure({ reason: String(error) })

/** iroh's name for a node: its public key in base32 with the alphabet of RFC 4648 §7, lower case, no padding. */
const irohName = (publicHex: string): string => {
  const bits = BigInt(`0x${publicHex}`) << 4n // 256 bits make 51 digits and one bit, padded with zeros
  return `${bits.toString(32).padStart(52, "0")}.iroh.invalid`
}

/** Settings common to both roles. */
const preferences = ({ cipherSuite, streams = 1, datagrams, multipath }: Task) => ({
  ...(cipherSuite !== undefined && { cipherSuites: ["chacha20-poly1305"] as const }),
  transport: {
    // by the time of closing the peer has everything and may be gone
    closeTimeout: 200,
    ...(multipath && { maxPaths: 4 }),
    maxBidirectionalStreams: Math.max(100, streams),
    ...(datagrams !== undefined && { maxDatagramFrameBytes: 65_535 })
  }
})

const observe = (connection: QuicConnection, datagrams: number | undefined): Seen => {
  const { version, cipherSuite, resumed, earlyData } = connection.facts
  const { keyUpdates } = connection.stats
  const counted = datagrams !== undefined && { datagrams }
  return {
    version: Version[version],
    cipherSuite,
    resumed,
    earlyData: earlyData === "accepted",
    keyUpdates,
    ...counted
  }
}

const datagramBytes = 1_000

/** Sends datagrams until each has been echoed. */
const callWithDatagrams = (connection: QuicConnection, count: number) =>
  Effect.gen(function* () {
    const missing = new Set(Array.from({ length: count }, (_, i) => i))
    for (const number of missing) yield* connection.sendDatagram(new Uint8Array(datagramBytes).fill(number))
    while (missing.size > 0) {
      const bytes = yield* connection.receiveDatagram
      if (bytes.length === datagramBytes) missing.delete(bytes[0])
    }
    return count
  })

const answerDatagrams = (connection: QuicConnection, count: number) =>
  Effect.gen(function* () {
    for (let i = 0; i < count; i++) yield* connection.sendDatagram(yield* connection.receiveDatagram)
    return count
  })

/** Whoever runs a task of ours in its own process may watch it, and do something to its connection meanwhile. */
export interface Companion {
  readonly onBytes?: (bytes: number) => void
  /** Runs beside the streams, and is interrupted when they end. */
  readonly meanwhile?: (connection: QuicConnection) => Effect.Effect<void, QuicError>
}

type Accompanied<T extends Task> = T & { readonly companion?: Companion }

/** As much as a path carries that is in use. */
const muchBytes = 200_000

const usedPaths = (connection: QuicConnection): number =>
  connection.paths.filter((path) => Math.max(path.bytesReceived, path.bytesSent) > muchBytes).length

/**
 * Abandons the path that carries the data in mid-transfer, and waits until the other one does. noq uses one of them at a
 * time, whichever it prefers, and asks that the other be a backup.
 */
const changePaths = Effect.fnUntraced(function* (
  paths: ReadonlyArray<QuicPath>,
  onUsed: (paths: number) => void
) {
  const isUsed = ({ info }: QuicPath): boolean => info.bytesReceived > muchBytes
  while (!paths.some(isUsed)) yield* Effect.sleep(1)
  yield* paths.find(isUsed)!.abandon
  while (!paths.every(isUsed)) yield* Effect.sleep(1)
  onUsed(paths.length)
})

/** The key update or migration this side performs while bytes arrive, and who is told of the bytes. */
const besideOf = (
  connection: QuicConnection,
  { keyUpdate, migrate, companion }: Accompanied<Task>
): Beside => {
  const { role } = connection
  const update = keyUpdate === role ? connection.updateKeys : Effect.void
  return {
    midway: role === "client" && migrate ? Effect.andThen(update, connection.migrate()) : update,
    ...(companion?.onBytes && { onBytes: companion.onBytes })
  }
}

/** What one connection received. */
type Heard = StreamReceived & { readonly seen: Seen }

/** Runs one connection from its first stream to its last. */
const converse = Effect.fnUntraced(function* (connection: QuicConnection, task: Accompanied<Task>) {
  const { begin, asClient, asServer } = exchanges[task.application]
  const isClient = connection.role === "client"
  let automaticMoves = 0
  yield* Effect.forkScoped(
    Stream.runForEach(connection.migrations, ({ _tag, reason }) =>
      Effect.sync(() => {
        if (_tag === "Committed" && reason === "MobileChurn") automaticMoves++
      })
    )
  )
  const { streams = 1, datagrams = 0 } = task
  yield* begin(connection)
  const arrived = yield* (isClient ? callWithDatagrams : answerDatagrams)(connection, datagrams)
  let paths = 1
  const beside = besideOf(connection, task)
  const one = isClient
    ? Effect.flatMap(connection.openBidi, (stream) => asClient(stream, task, beside))
    : Effect.flatMap(connection.acceptBidi, (stream) => asServer(stream, task, beside))
  const all = Effect.all(
    Array.from({ length: streams }, () => Effect.scoped(one)),
    { concurrency: "unbounded" }
  )
  // elsewhere, whoever runs it says when
  const changesPaths = isClient && task.multipath && task.place === undefined
  const first = connection.path(0)!
  const both = changesPaths
    ? [first, yield* connection.openPath({ local: { host: first.info.local.host } })]
    : []
  const change = changesPaths ? changePaths(both, (used) => void (paths = used)) : Effect.void
  const meanwhile = task.companion?.meanwhile?.(connection) ?? change
  const receipts = yield* Effect.raceFirst(all, Effect.andThen(meanwhile, Effect.never))
  yield* Effect.ignore(connection.handshakeComplete)
  const received = combineStreams(receipts.map((receipt) => receipt.received))
  const seen = observe(connection, task.datagrams && arrived)
  const most = Math.max(paths, usedPaths(connection))
  const seenByClient = { ...seen, automaticMoves, ...(task.multipath && { paths: most }) }
  const heard: Heard = { ...received, seen: isClient ? seenByClient : seen }
  return heard
})

/** Sums up consecutive connections. */
const combine = (connections: ReadonlyArray<Heard>): Received => ({
  ...combineStreams(connections),
  seen: connections.at(-1)!.seen
})

const client = Effect.fnUntraced(
  function* (task: Accompanied<ClientTask>) {
    const { alpn, doneCode } = exchanges[task.application]
    const host = task.place?.host ?? loopback
    const endpoint = yield* QuicEndpoint.make(task.place === undefined ? { host } : {})
    const { transport, ...tls } = preferences(task)
    const versions = { unknown: ["v2", "v1"], v2: ["v2"] } as const
    const call = (earlyData: boolean) =>
      Effect.gen(function* () {
        const connection = yield* endpoint.connect({
          host,
          port: task.port,
          alpn: [alpn],
          serverName: task.trusted.kind === "x509" ? serverName : irohName(task.trusted.publicHex),
          ...(task.mutual && { identity: task.self.identity }),
          ...tls,
          earlyData,
          transport: { ...transport, ...(task.version && { versions: versions[task.version] }) }
        })
        const received = yield* converse(connection, task)
        yield* connection.close(doneCode)
        return received
      }).pipe(Effect.scoped)
    const first = yield* call(false)
    return task.comeBack === undefined ? first : combine([first, yield* call(task.comeBack === "earlyData")])
  },
  Effect.mapError(explain),
  (effect, task) => Effect.provide(effect, stackFor(task))
)

const server = Effect.fnUntraced(
  function* (task: Accompanied<Task>) {
    const { alpn } = exchanges[task.application]
    const { transport, ...tls } = preferences(task)
    const endpoint = yield* QuicEndpoint.make({
      host: task.place?.host ?? loopback,
      server: {
        alpn: [alpn],
        identity: task.self.identity,
        clientCertificate: task.mutual ? "require" : "none",
        ...(task.retry && { retry: "always" }),
        earlyData: task.comeBack === "earlyData",
        ...tls,
        transport
      }
    })
    const done = yield* Deferred.make<Received, InteropFailure>()
    const rounds = task.comeBack === undefined ? 1 : 2
    const served: Array<Heard> = []
    // a client may reconnect before its CONNECTION_CLOSE arrives
    const serve = endpoint.serve((connection) =>
      Effect.gen(function* () {
        served.push(yield* converse(connection, task))
        if (served.length === rounds) yield* Deferred.succeed(done, combine(served))
        yield* connection.closed
      }).pipe(Effect.catch((error) => Deferred.fail(done, explain(error))))
    )
    yield* Effect.forkScoped(serve)
    return { port: endpoint.localAddress.port, received: Deferred.await(done) }
  },
  Effect.mapError(explain),
  (effect, task) => Effect.provide(effect, stackFor(task))
)

export const ours: Implementation = { name: "effect-quic", client, server }
