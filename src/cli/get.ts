/** `effect-quic get` */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Argument, Command, Flag } from "effect/cli"
import type { QuicConnection } from "../QuicConnection.ts"
import { QuicEndpoint } from "../QuicEndpoint.ts"
import { printable } from "../internal/printable.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { CliHost } from "./CliHost.ts"
import { layerTrust, trustFlags } from "./credentials.ts"
import { type Destination, destinationOf } from "./destination.ts"
import { download, type Download, serverOf } from "./hqClient.ts"
import { hqAlpn } from "./hqRequest.ts"
import { type HqTarget, parseTarget } from "./hqTarget.ts"
import { withProgress } from "./ProgressBar.ts"
import { misused, reportAll, reported } from "./report.ts"
import { formatBytes, formatCount, formatMillis, formatRate } from "./units.ts"

/** Concurrent downloads per server; the server's own limit may be lower. */
const concurrency = 64

/** The negotiated parameters of a connection, on one line. */
export const connectionFacts = (connection: QuicConnection): string => {
  const { facts, stats } = connection
  return [
    facts.cipherSuite,
    facts.group,
    `RTT ${formatMillis(stats.minRttMillis)}`,
    `datagrams of ${stats.datagramBytes} bytes`
  ].join(", ")
}

interface Wish {
  readonly target: HqTarget
  readonly to: Destination
}

/** What `get` says meanwhile, and what has become of it. */
interface Report {
  /** Results, which `--quiet` silences. */
  readonly result: (line: string) => Effect.Effect<void>
  /** What only `--verbose` says. */
  readonly detail: (line: string) => Effect.Effect<void>
  readonly failures: Array<unknown>
  received: number
  complete: number
}

/** Goes on with the others when one fails. */
const collecting = <A, E, R>({ failures }: Report, effect: Effect.Effect<A, E, R>) =>
  Effect.catch(effect, (error) =>
    Effect.as(
      Effect.sync(() => failures.push(error)),
      undefined
    )
  )

const fetchFrom = Effect.fnUntraced(function* (alpn: string, wishes: ReadonlyArray<Wish>, report: Report) {
  const { monotonicMillis } = yield* CliHost
  const [{ target }] = wishes
  const { host, port } = target
  const startedAt = monotonicMillis()
  const endpoint = yield* QuicEndpoint.make()
  const connection = yield* endpoint.connect({ host, port, alpn: [alpn] })
  const remote = formatAddress(connection.remoteAddress)
  yield* report.detail(
    `connected to ${remote} in ${formatMillis(monotonicMillis() - startedAt)}: ${connectionFacts(connection)}`
  )
  const fetchOne = Effect.fnUntraced(function* ({ target, to }: Wish) {
    yield* report.detail(`GET ${target.path}`)
    const done = yield* download(connection, target, to, (count) => {
      report.received += count
    })
    report.complete++
    return done
  })
  const downloads = yield* Effect.forEach(wishes, (wish) => collecting(report, fetchOne(wish)), {
    concurrency
  })
  const { ecn, packetsLost, packetsReceived, packetsSent } = connection.stats
  yield* report.detail(
    `${remote}: ${packetsSent} packets sent, ${packetsLost} of them lost, ${packetsReceived} received, ECN ${ecn}`
  )
  return { downloads: downloads.filter((done) => done !== undefined), facts: connectionFacts(connection) }
}, Effect.scoped)

const describeDownload = ({ bytes, file, millis, sha256 }: Download): string =>
  `${printable(file)}  ${formatBytes(bytes)} in ${formatMillis(millis)}, ${formatRate(bytes, millis)}\n  sha256:${sha256}`

interface GetOptions {
  readonly urls: ReadonlyArray<string>
  readonly output: string
  readonly force: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly alpn: string
}

const targetsOf = Effect.fnUntraced(function* ({ output, quiet, urls, verbose }: GetOptions) {
  if (quiet && verbose) return yield* misused("--quiet and --verbose exclude each other")
  if (output === "-" && urls.length > 1)
    return yield* misused("-o -: standard output is for one file, not several")
  const targets = yield* Effect.forEach(urls, parseTarget)
  const names = new Set<string>()
  for (const { fileName } of targets) {
    if (names.has(fileName)) return yield* misused(`more than one file is named ${fileName}`)
    names.add(fileName)
  }
  return targets
})

const run = Effect.fnUntraced(function* (options: GetOptions) {
  const { alpn, force, output, quiet, verbose } = options
  const targets = yield* targetsOf(options)
  const print = output === "-" ? Console.error : Console.log
  const report: Report = {
    result: (line) => (quiet ? Effect.void : print(line)),
    detail: (line) => (verbose ? Console.error(line) : Effect.void),
    failures: [],
    received: 0,
    complete: 0
  }
  const wishes: Array<Wish> = []
  for (const target of targets) {
    const isOneOfSeveral = targets.length > 1
    const to = yield* collecting(report, destinationOf(output, target.fileName, { force, isOneOfSeveral }))
    if (to !== undefined) wishes.push({ target, to })
  }
  const fetched = Effect.forEach(Map.groupBy(wishes, ({ target }) => serverOf(target)).values(), (group) =>
    collecting(report, fetchFrom(alpn, group, report))
  )
  const label = targets.length === 1 ? targets[0].fileName : formatCount(targets.length, "file")
  const progress = { label, done: () => report.received, total: () => undefined }
  const servers = yield* (quiet ? fetched : withProgress(progress, fetched)).pipe(
    Effect.onInterrupt(() =>
      Console.error(
        `effect-quic: interrupted; ${report.complete} of ${formatCount(targets.length, "file")} complete, nothing is left of the rest`
      )
    )
  )
  for (const server of servers) {
    for (const done of server?.downloads ?? []) yield* report.result(describeDownload(done))
    if (server !== undefined && server.downloads.length > 0) yield* report.result(server.facts)
  }
  yield* reportAll(report.failures)
})

export const get = Command.make(
  "get",
  {
    urls: Argument.String("url").pipe(
      Argument.withDescription("https://HOST:PORT/FILE; the port defaults to 443"),
      Argument.atLeast(1)
    ),
    output: Flag.String("output").pipe(
      Flag.withAlias("o"),
      Flag.withMetavar("PATH"),
      Flag.withDescription("Output file or directory (default: here); - is standard output"),
      Flag.withDefault(".")
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Replace files that are there already"),
      Flag.withDefault(false)
    ),
    quiet: Flag.Boolean("quiet").pipe(
      Flag.withAlias("q"),
      Flag.withDescription("Say nothing but what has failed"),
      Flag.withDefault(false)
    ),
    verbose: Flag.Boolean("verbose").pipe(
      Flag.withAlias("v"),
      Flag.withDescription("Say more about connections and requests, on standard error"),
      Flag.withDefault(false)
    ),
    ...trustFlags,
    alpn: Flag.String("alpn").pipe(
      Flag.withDescription("Application protocol (default: hq-interop)"),
      Flag.withDefault(hqAlpn)
    )
  },
  (options) => run(options).pipe(Effect.scoped, Effect.provide(layerTrust(options)), reported)
).pipe(
  Command.withDescription(
    "Fetch files over QUIC (HTTP/0.9, hq-interop). Files of one server are fetched concurrently over one connection. Server certificates are verified against the system's roots unless a flag says otherwise."
  ),
  Command.withShortDescription("Fetch files"),
  Command.withExamples([
    {
      command: "effect-quic get https://localhost:4433/README.md --pin-sha256 5f3c…",
      description: "From `effect-quic serve`, with the fingerprint it printed"
    },
    {
      command: "effect-quic get https://example.org/a https://example.org/b -o downloads",
      description: "Two files over one connection"
    },
    { command: "effect-quic get https://example.org/a.tar -o - | tar x", description: "To another program" }
  ])
)
