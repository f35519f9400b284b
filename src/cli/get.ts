/** `effect-quic get` */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { Argument, Command, Flag } from "effect/cli"
import { NamedGroup } from "../capability/CryptoSuite.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import { QuicEndpoint, type QuicEndpointShape } from "../QuicEndpoint.ts"
import { layerTrust, trustFlags } from "./credentials.ts"
import { byServer, download, type Download } from "./hqClient.ts"
import { hqAlpn } from "./hqRequest.ts"
import { type HqTarget, parseTarget } from "./hqTarget.ts"
import { withProgress } from "./ProgressBar.ts"
import { fail, reported } from "./report.ts"
import { formatBytes, formatCount, formatMillis, formatRate } from "./units.ts"

/** Concurrent downloads per server; the server's own limit may be lower. */
const concurrency = 64

export const groupName = (group: number): string =>
  Object.entries(NamedGroup).find(([, code]) => code === group)?.[0] ?? `group ${group}`

/** The negotiated parameters of a connection, on one line. */
export const connectionFacts = (connection: QuicConnection): string => {
  const { facts, stats } = connection
  return [
    facts.cipherSuite,
    groupName(facts.group),
    `RTT ${formatMillis(stats.minRttMillis)}`,
    `datagrams of ${stats.datagramBytes} bytes`
  ].join(", ")
}

const fetchFrom = Effect.fnUntraced(function* (
  endpoint: QuicEndpointShape,
  targets: ReadonlyArray<HqTarget>,
  options: { readonly alpn: string; readonly directory: string; readonly onBytes: (count: number) => void }
) {
  const [{ host, port }] = targets
  const connection = yield* endpoint.connect({ host, port, alpn: [options.alpn] })
  const downloads = yield* Effect.forEach(
    targets,
    (target) => download(connection, target, options.directory, options.onBytes),
    { concurrency }
  )
  return { downloads, facts: connectionFacts(connection) }
}, Effect.scoped)

const describeDownload = ({ bytes, file, millis, sha256 }: Download): string =>
  `${file}  ${formatBytes(bytes)} in ${formatMillis(millis)}, ${formatRate(bytes, millis)}\n  sha256:${sha256}`

export const get = Command.make(
  "get",
  {
    urls: Argument.String("url").pipe(
      Argument.withDescription("https://HOST:PORT/FILE; the port defaults to 443"),
      Argument.atLeast(1)
    ),
    output: Flag.Directory("output").pipe(
      Flag.withAlias("o"),
      Flag.withMetavar("DIR"),
      Flag.withDescription("Output directory (default: the current one)"),
      Flag.withDefault(".")
    ),
    ...trustFlags,
    alpn: Flag.String("alpn").pipe(
      Flag.withDescription("Application protocol (default: hq-interop)"),
      Flag.withDefault(hqAlpn)
    )
  },
  (options) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const targets = yield* Effect.forEach(options.urls, parseTarget)
      const names = new Set<string>()
      for (const { fileName } of targets) {
        if (names.has(fileName)) return yield* fail(`more than one file is named ${fileName}`)
        names.add(fileName)
      }
      yield* fs.makeDirectory(options.output, { recursive: true })
      let received = 0
      const fetched = Effect.forEach(byServer(targets), (group) =>
        Effect.flatMap(QuicEndpoint.make(), (endpoint) =>
          fetchFrom(endpoint, group, {
            alpn: options.alpn,
            directory: options.output,
            onBytes: (count) => {
              received += count
            }
          })
        )
      )
      const label = targets.length === 1 ? targets[0].fileName : formatCount(targets.length, "file")
      const servers = yield* withProgress({ label, done: () => received, total: () => undefined }, fetched)
      for (const { downloads, facts } of servers) {
        for (const done of downloads) yield* Console.log(describeDownload(done))
        yield* Console.log(facts)
      }
    }).pipe(Effect.scoped, Effect.provide(layerTrust(options)), reported)
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
    }
  ])
)
