/** `effect-quic perf server` and `effect-quic perf client` */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Argument, Command, Flag } from "effect/cli"
import type { QuicConnection } from "../QuicConnection.ts"
import { QuicEndpoint } from "../QuicEndpoint.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { CliHost } from "./CliHost.ts"
import { layerNoTrust, layerTrust, loadIdentity, trustFlags } from "./credentials.ts"
import { connectionFacts } from "./get.ts"
import { type Direction, measureBulk } from "./perfBulk.ts"
import {
  MAX_DATAGRAM_FRAME_BYTES as maxDatagramFrameBytes,
  perfDatagramAlpn,
  serveDatagramTests
} from "./perfDatagramProtocol.ts"
import {
  checkDatagramFlags,
  type DatagramFlags,
  datagramFlags,
  describeDatagrams,
  measureDatagrams
} from "./perfDatagrams.ts"
import { answerPerf, callPerf, perfAlpn } from "./perfProtocol.ts"
import { labelled } from "./presenter.ts"
import { printable, printableJson } from "../internal/printable.ts"
import { misused, reported } from "./report.ts"
import { introduce, listenFlags, reachable } from "./serve.ts"
import { describeStop, untilStopped } from "./untilStopped.ts"
import { formatBytes, formatCount, formatMillis, formatRate, parseBytes } from "./units.ts"

const server = Command.make("server", listenFlags, (options) =>
  Effect.gen(function* () {
    const identity = yield* loadIdentity(options)
    const endpoint = yield* QuicEndpoint.make({
      host: options.host,
      port: options.port,
      server: {
        alpn: [perfAlpn, perfDatagramAlpn],
        identity,
        transport: { maxBidirectionalStreams: 1000, maxPaths: mostPaths, maxDatagramFrameBytes }
      }
    })
    const { host, port } = endpoint.localAddress
    yield* Console.log(
      [
        `Listening on ${formatAddress(endpoint.localAddress)}. Press Ctrl-C to stop.`,
        ...introduce(identity, `perf client ${reachable(host)}:${port}`)
      ].join("\n")
    )
    const serving = endpoint.serve((connection) => {
      const client = formatAddress(connection.remoteAddress)
      const served =
        connection.facts.alpn === perfDatagramAlpn
          ? serveDatagramTests(connection)
          : connection.serveStreams((stream) => Effect.ignore(answerPerf(stream)))
      return Effect.catch(served, ({ message }) => Console.log(`${client}  ${printable(message)}`))
    })
    yield* untilStopped(endpoint, serving, options.drain, (event) => Console.log(describeStop(event)))
  }).pipe(Effect.scoped, Effect.provide(layerNoTrust), reported)
).pipe(Command.withDescription("Answer performance tests"))

const sizeFlag = (name: string, byDefault: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("BYTES"),
    Flag.withDefault(byDefault),
    Flag.filterMap(parseBytes, (text) => `a size such as 100MB, not "${text}"`)
  )

const MAX_SECONDS = 86_400
const MAX_STREAMS = 128

const countFlag = (name: string, metavar: string, most: number) =>
  Flag.Int(name).pipe(
    Flag.withMetavar(metavar),
    Flag.filter(
      (count) => count >= 1 && count <= most,
      (count) => `1 to ${most} ${metavar.toLowerCase()}, not ${count}`
    )
  )

/** As many as any connection may have. */
const mostPaths = 8

/** Opens all that are missing, each from the next of `places`, or another port. */
const openPaths = (connection: QuicConnection, count: number, places: ReadonlyArray<string>) =>
  Effect.forEach(
    Array.from({ length: count - 1 }, (_, i) => places.at((i + 1) % Math.max(1, places.length))),
    (host) => connection.openPath(host === undefined ? {} : { local: { host } }),
    { discard: true }
  )

/** What is measured on each path, as it is printed in JSON. */
const pathResults = ({ paths }: QuicConnection) =>
  paths.map(({ id, local, state, bytesSent, bytesReceived, smoothedRttMillis, packetsLost }) => ({
    id,
    local: formatAddress(local),
    state,
    bytesSent,
    bytesReceived,
    smoothedRttMillis,
    packetsLost
  }))

const describePath = (path: ReturnType<typeof pathResults>[number]): string =>
  [
    `Path ${path.id}     received ${formatBytes(path.bytesReceived)}, sent ${formatBytes(path.bytesSent)}`,
    ` (${path.local}, ${path.state}, RTT ${formatMillis(path.smoothedRttMillis)}, ${formatCount(path.packetsLost, "packet")} lost)`
  ].join("")

/** The percentile `share` (0 … 1) of sorted times. */
const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]

/** Small calls, each on its own stream. */
const measureCalls = Effect.fnUntraced(function* (
  connection: QuicConnection,
  calls: number,
  bytes: number,
  concurrency: number
) {
  const { monotonicMillis } = yield* CliHost
  const times: Array<number> = []
  const call = Effect.gen(function* () {
    const startedAt = monotonicMillis()
    yield* callPerf(connection, bytes, bytes)
    times.push(monotonicMillis() - startedAt)
  })
  const startedAt = monotonicMillis()
  yield* Effect.forEach(Array(calls), () => call, { concurrency, discard: true })
  const millis = monotonicMillis() - startedAt
  times.sort((a, b) => a - b)
  return {
    calls,
    bytes,
    concurrency,
    millis,
    callsPerSecond: Math.round((calls * 1000) / millis),
    p50Millis: percentile(times, 0.5),
    p99Millis: percentile(times, 0.99),
    maxMillis: times[times.length - 1]
  }
})

interface Amounts {
  /** 0 skips it. */
  readonly download: number
  readonly upload: number
  readonly time: Option.Option<number>
  readonly streams: number
  readonly json: boolean
}

interface StreamLoad extends Amounts {
  readonly calls: number
  readonly callBytes: number
  readonly concurrency: number
}

const measureInStreams = Effect.fnUntraced(function* (connection: QuicConnection, options: StreamLoad) {
  const load = {
    seconds: Option.getOrUndefined(options.time),
    streams: options.streams,
    isPrinted: !options.json
  }
  const bulk = (direction: Direction, bytes: number) =>
    bytes === 0 ? Effect.undefined : measureBulk(connection, direction, { ...load, bytes })
  const download = yield* bulk("download", options.download)
  const upload = yield* bulk("upload", options.upload)
  const concurrency = Math.max(1, options.concurrency)
  const calls =
    options.calls < 1
      ? undefined
      : yield* measureCalls(connection, options.calls, options.callBytes, concurrency)
  const row = (label: string, result: Effect.Success<ReturnType<typeof measureBulk>>): string =>
    `${label}  ${formatRate(result.bytes, result.millis)}  (${formatBytes(result.bytes)} in ${formatMillis(result.millis)})`
  const rows: Array<string> = []
  if (download) rows.push(row("Download ", download))
  if (upload) rows.push(`${row("Upload   ", upload)}, ${upload.packetsLost} packets lost`)
  if (calls)
    rows.push(
      `Calls      p50 ${formatMillis(calls.p50Millis)}, p99 ${formatMillis(calls.p99Millis)}, ${calls.callsPerSecond}/s  (${calls.calls}, ${calls.concurrency} at a time, ${formatBytes(calls.bytes)} each way)`
    )
  return { results: { download, upload, calls }, rows }
})

const measureInDatagrams = Effect.fnUntraced(function* (
  connection: QuicConnection,
  options: Amounts & DatagramFlags
) {
  const run = (direction: Direction) =>
    options[direction] === 0
      ? Effect.undefined
      : measureDatagrams(connection, direction, options, !options.json)
  const download = yield* run("download")
  const upload = yield* run("upload")
  const rows: Array<string> = []
  if (download) rows.push(`Download   ${describeDatagrams(download)}`)
  if (upload) rows.push(`Upload     ${describeDatagrams(upload)}`)
  return { results: { download, upload }, rows }
})

const parseServer = (text: string) => {
  const match = /^(?:\[([^\]]+)\]|([^:/]+)):(\d{1,5})$/.exec(text)
  return match === null
    ? misused(`${text}: expected HOST:PORT`)
    : Effect.succeed({ host: match[1] ?? match[2], port: Number(match[3]) })
}

const client = Command.make(
  "client",
  {
    server: Argument.String("host:port").pipe(Argument.withDescription("Where `perf server` listens")),
    ...trustFlags,
    download: sizeFlag("download", "100MB").pipe(
      Flag.withDescription("Amount to download (default: 100MB); 0 skips it")
    ),
    upload: sizeFlag("upload", "100MB").pipe(
      Flag.withDescription("Amount to upload (default: 100MB); 0 skips it")
    ),
    time: countFlag("time", "SECONDS", MAX_SECONDS).pipe(
      Flag.withAlias("t"),
      Flag.withDescription("How long each direction takes, instead of an amount"),
      Flag.optional
    ),
    streams: countFlag("parallel", "STREAMS", MAX_STREAMS).pipe(
      Flag.withAlias("P"),
      Flag.withDescription("Number of concurrent streams of each direction (default: 1)"),
      Flag.withDefault(1)
    ),
    calls: Flag.Int("calls").pipe(
      Flag.withDescription("Number of small calls (default: 2000); 0 skips them"),
      Flag.withDefault(2000)
    ),
    callBytes: sizeFlag("call-bytes", "64").pipe(
      Flag.withDescription("Bytes in each direction of a call (default: 64)")
    ),
    concurrency: Flag.Int("concurrency").pipe(
      Flag.withDescription("Number of concurrent calls (default: 1)"),
      Flag.withDefault(1)
    ),
    paths: Flag.Int("paths").pipe(
      Flag.withDescription(`Number of paths to use at once (default: 1), at most ${mostPaths}`),
      Flag.withDefault(1),
      Flag.filter(
        (count) => count >= 1 && count <= mostPaths,
        (count) => `1 to ${mostPaths} paths, not ${count}`
      )
    ),
    from: Flag.String("from").pipe(
      Flag.withMetavar("IP"),
      Flag.withDescription("Local address of the next path; may be repeated (default: any)"),
      Flag.atLeast(0)
    ),
    ...datagramFlags,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print one JSON object instead of a table"),
      Flag.withDefault(false)
    )
  },
  (options) =>
    Effect.gen(function* () {
      const address = yield* parseServer(options.server)
      yield* checkDatagramFlags(options)
      const { monotonicMillis } = yield* CliHost
      const { from, paths } = options
      const endpoint = yield* QuicEndpoint.make(from.length === 0 ? {} : { host: from[0] })
      const startedAt = monotonicMillis()
      const transport = { maxPaths: paths, ...(options.datagrams && { maxDatagramFrameBytes }) }
      const alpn = [options.datagrams ? perfDatagramAlpn : perfAlpn]
      const connection = yield* endpoint.connect({ ...address, alpn, transport })
      const handshakeMillis = monotonicMillis() - startedAt
      yield* openPaths(connection, paths, from)
      const { results, rows } = yield* options.datagrams
        ? measureInDatagrams(connection, options)
        : measureInStreams(connection, options)
      const { cipherSuite, group } = connection.facts
      const { stats } = connection
      if (options.json) {
        const shown = {
          handshakeMillis,
          cipherSuite,
          group,
          ...results,
          paths: pathResults(connection),
          stats
        }
        return yield* Console.log(printableJson(shown))
      }
      const facts = `${formatMillis(handshakeMillis)}, ${connectionFacts(connection)}`
      const ecn = stats.ecn === "unsupported" ? "unsupported by this socket" : stats.ecn
      const perPath = paths > 1 ? pathResults(connection).map(describePath) : []
      const table = [...labelled("Handshake  ", facts), `ECN        ${ecn}`, ...rows, ...perPath]
      yield* Console.log(table.join("\n"))
    }).pipe(Effect.scoped, Effect.provide(layerTrust(options)), reported)
).pipe(
  Command.withDescription(
    "Measure goodput in both directions and the latency of small calls, each on its own stream."
  ),
  Command.withShortDescription("Measure goodput and latency"),
  Command.withExamples([
    { command: "effect-quic perf client localhost:4433 --pin-sha256 5f3c…", description: "Everything" },
    {
      command: "effect-quic perf client 10.0.0.7:4433 --pin server.crt --download 1GB --upload 0 --calls 0",
      description: "Download only"
    },
    {
      command: "effect-quic perf client 10.0.0.7:4433 --pin server.crt -t 10 -P 4 --calls 0",
      description: "Four streams for ten seconds in each direction"
    },
    {
      command: "effect-quic perf client 10.0.0.7:4433 --pin server.crt --datagrams --rate 10M -t 5",
      description: "Loss and jitter of datagrams, 10 Mbit/s for five seconds in each direction"
    },
    {
      command:
        "effect-quic perf client 10.0.0.7:4433 --pin server.crt --paths 2 --from 10.0.0.2 --from 10.1.0.2",
      description: "Over two networks at once"
    }
  ])
)

export const perf = Command.make("perf").pipe(
  Command.withDescription("Measure goodput and latency between two machines, or two processes."),
  Command.withShortDescription("Measure goodput and latency"),
  Command.withSubcommands([server, client])
)
