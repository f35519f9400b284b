/** `effect-quic serve` */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Argument, Command, Flag } from "effect/cli"
import type { Identity } from "../Identity.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { identityFlags, layerNoTrust, loadIdentity } from "./credentials.ts"
import { hqAlpn } from "./hqRequest.ts"
import { serveDirectory, type ServeEvent } from "./hqServer.ts"
import { printable, printableJson } from "../internal/printable.ts"
import { CliHost } from "./CliHost.ts"
import { misused, reported } from "./report.ts"
import { servedDirectory } from "./ServedDirectory.ts"
import { describeStop, drainFlag } from "./untilStopped.ts"
import { formatBytes, formatMillis, formatRate } from "./units.ts"

/** Flags of commands that listen. */
export const listenFlags = {
  host: Flag.String("host").pipe(
    Flag.withDescription("IP address to listen on (default: 0.0.0.0); :: includes IPv6"),
    Flag.withDefault("0.0.0.0")
  ),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("UDP port to listen on (default: 4433); 0 selects a free one"),
    Flag.withDefault(4433)
  ),
  drain: drainFlag,
  ...identityFlags
}

/** Ends when standard input closes, so that this process ends with the one that started it. */
export const untilInputEnds = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Stdio.Stdio, ({ stdin }) => Effect.raceFirst(effect, Effect.ignore(Stream.runDrain(stdin))))

export const untilInputEndsFlag = Flag.Boolean("until-input-ends").pipe(
  Flag.withHidden,
  Flag.withDefault(false)
)

/** How to connect to a server, as text. */
export const introduce = (identity: Identity, example: string): ReadonlyArray<string> => [
  `${identity.certificateType === "x509" ? "Fingerprint" : "PeerId     "}  sha256:${identity.peerId}`,
  `Try          effect-quic ${example} --pin-sha256 ${identity.peerId}`
]

export const reachable = (host: string): string =>
  host === "0.0.0.0" || host === "::" ? "localhost" : host.includes(":") ? `[${host}]` : host

const reportAsText =
  (directory: string, identity: Identity) =>
  (event: ServeEvent): Effect.Effect<void> => {
    switch (event.event) {
      case "listening": {
        const { address } = event
        return Console.log(
          [
            `Serving ${directory} on ${formatAddress(address)}. Press Ctrl-C to stop.`,
            ...introduce(identity, `get https://${reachable(address.host)}:${address.port}/FILE`)
          ].join("\n")
        )
      }
      case "connected":
        return Console.log(`${event.client}  connected, ${event.cipherSuite}`)
      case "sent":
        return Console.log(
          `${event.client}  GET ${printable(event.path)}  ${formatBytes(event.bytes)} in ${formatMillis(event.millis)}, ${formatRate(event.bytes, event.millis)}`
        )
      case "refused":
        return Console.log(
          `${event.client}  refused ${printable(event.path ?? "a request")}: ${printable(event.reason)}`
        )
      case "unfinished":
        return Console.log(`${event.client}  left a request unfinished: ${printable(event.reason)}`)
      case "disconnected":
        return Console.log(
          `${event.client}  disconnected${event.reason === undefined ? "" : `: ${printable(event.reason)}`}`
        )
      case "draining":
      case "drained":
        return Console.log(describeStop(event))
    }
  }

const reportAsJson =
  (identity: Identity) =>
  (event: ServeEvent): Effect.Effect<void> =>
    Console.log(
      printableJson(event.event === "listening" ? { ...event, fingerprint: identity.peerId } : event)
    )

const workersFlag = Flag.Int("workers").pipe(
  Flag.withMetavar("N"),
  Flag.withDescription("Threads that share the port, with connections of their own (default: 1)"),
  Flag.withDefault(1),
  Flag.filter(
    (workers) => workers >= 1 && workers <= 128,
    (workers) => `a number from 1 to 128, not ${workers}`
  )
)

type Report = (event: ServeEvent) => Effect.Effect<void>

/** What one of several threads reports: what concerns all of them, the main thread does. */
const exceptOfAll =
  (report: Report): Report =>
  (event) =>
    event.event === "listening" || event.event === "draining" || event.event === "drained"
      ? Effect.void
      : report(event)

/** The main thread of a server in several threads. */
const serveWithWorkers = Effect.fnUntraced(function* (
  {
    port,
    workers,
    drain: seconds
  }: { readonly port: number; readonly workers: number; readonly drain: number },
  identity: Identity,
  report: Report
) {
  if (port === 0) return yield* misused("--workers share a port: give one that is not 0")
  const { shards, stopRequested } = yield* CliHost
  const server = yield* shards.start(workers, identity)
  yield* report({ event: "listening", address: server.address })
  yield* stopRequested
  const { connectionsActive } = yield* server.statistics
  yield* report({ event: "draining", connections: connectionsActive, seconds })
  yield* report({ event: "drained", ...(yield* server.drain(seconds * 1000)) })
})

export const serve = Command.make(
  "serve",
  {
    directory: Argument.Directory("dir", { mustExist: true }).pipe(
      Argument.withDescription(
        "Directory to serve files from, except hidden ones; nothing outside it is served"
      )
    ),
    ...listenFlags,
    workers: workersFlag,
    alpn: Flag.String("alpn").pipe(
      Flag.withDescription("Application protocol (default: hq-interop)"),
      Flag.withDefault(hqAlpn)
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print events as JSON, one object per line"),
      Flag.withDefault(false)
    ),
    maxPaths: Flag.Int("max-paths").pipe(
      Flag.withDescription("How many paths a client may use at once (default: 1), at most 8"),
      Flag.withDefault(1)
    ),
    untilInputEnds: untilInputEndsFlag
  },
  (options) =>
    Effect.gen(function* () {
      const identity = yield* loadIdentity(options)
      const directory = yield* servedDirectory(options.directory)
      const { shards } = yield* CliHost
      const report = options.json ? reportAsJson(identity) : reportAsText(options.directory, identity)
      const run =
        options.workers > 1 && !shards.isShard
          ? serveWithWorkers(options, identity, report)
          : serveDirectory({
              endpoint: {
                host: options.host,
                port: options.port,
                server: { alpn: [options.alpn], identity, transport: { maxPaths: options.maxPaths } }
              },
              directory,
              drainSeconds: options.drain,
              report: shards.isShard ? exceptOfAll(report) : report
            })
      yield* options.untilInputEnds ? untilInputEnds(run) : run
    }).pipe(Effect.scoped, Effect.provide(layerNoTrust), reported)
).pipe(
  Command.withDescription(
    "Serve the files of a directory over QUIC (HTTP/0.9, hq-interop). Without --cert and --key, generates a development certificate, valid for 14 days, and prints its fingerprint for clients to pin. With --key alone, the server presents a raw public key (RFC 7250)."
  ),
  Command.withShortDescription("Serve the files of a directory"),
  Command.withExamples([
    { command: "effect-quic serve .", description: "This directory, with a development certificate" },
    {
      command: "effect-quic serve www --cert server.crt --key server.key --port 443",
      description: "With a certificate of your own"
    },
    { command: "effect-quic serve www --workers 4", description: "In four threads" },
    { command: "effect-quic serve . --key peer.key", description: "With a raw public key (keygen --raw)" }
  ])
)
