/** `effect-quic demo`: transfers a file between two processes over QUIC and verifies it. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Command, Flag } from "effect/cli"
import { ChildProcess } from "effect/process"
import { Entropy } from "../capability/Entropy.ts"
import { CertificateVerifier } from "../capability/CertificateVerifier.ts"
import { QuicEndpoint } from "../QuicEndpoint.ts"
import { layerCapture, pcapFlag } from "./capture.ts"
import { CliHost } from "./CliHost.ts"
import { demoPaths, downloadOverTwo } from "./demoPaths.ts"
import { type Destination, toFile } from "./destination.ts"
import { connectionFacts } from "./get.ts"
import { download } from "./hqClient.ts"
import { hqAlpn } from "./hqRequest.ts"
import type { HqTarget } from "./hqTarget.ts"
import { labelled } from "./presenter.ts"
import { withProgress } from "./ProgressBar.ts"
import { fail, reported } from "./report.ts"
import { formatBytes, formatCount, formatMillis, formatRate, parseBytes } from "./units.ts"

/** The lines of `serve --json` used here. */
const ServerLine = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({
      event: Schema.Literal("listening"),
      address: Schema.Struct({ host: Schema.String, port: Schema.Int }),
      fingerprint: Schema.String
    }),
    Schema.Struct({
      event: Schema.Literal("sent"),
      sha256: Schema.String,
      packetsSent: Schema.Int,
      packetsLost: Schema.Int
    }),
    Schema.Struct({ event: Schema.Literals(["connected", "disconnected"]) }),
    Schema.Struct({ event: Schema.Literals(["refused", "unfinished"]), reason: Schema.String })
  ])
)
type ServerLine = typeof ServerLine.Type

/** Timeout for each report of the server process. */
const reportTimeoutMillis = 60_000

/** Starts `effect-quic serve` in a child process that ends with the scope, and reads its reports. */
const startServer = Effect.fnUntraced(function* (directory: string, maxPaths: number) {
  const { self } = yield* CliHost
  const [command, ...args] = self
  const server = yield* ChildProcess.make(
    command,
    [
      ...[...args, "serve", directory, "--host", "127.0.0.1", "--port", "0", "--max-paths", `${maxPaths}`],
      ...["--json", "--until-input-ends"]
    ],
    { extendEnv: true, stdin: { stream: "pipe", endOnDone: false }, stderr: "inherit", forceKillAfter: 2000 }
  )
  const reports = yield* Queue.unbounded<ServerLine>()
  yield* server.stdout.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.mapEffect((line) => Schema.decodeEffect(ServerLine)(line)),
    Stream.runForEach((line) => Queue.offer(reports, line)),
    Effect.ensuring(Queue.shutdown(reports)),
    Effect.ignore,
    Effect.forkScoped
  )
  const next = <Tag extends ServerLine["event"]>(
    event: Tag
  ): Effect.Effect<Extract<ServerLine, { readonly event: Tag }>> =>
    Effect.flatMap(Queue.take(reports), (line) =>
      line.event === event
        ? Effect.succeed(line as Extract<ServerLine, { readonly event: Tag }>)
        : next(event)
    )
  return {
    pid: server.pid,
    next: <Tag extends ServerLine["event"]>(event: Tag) =>
      next(event).pipe(
        Effect.raceFirst(
          Effect.flatMap(server.exitCode, (code) => fail(`the server process ended with code ${code}`))
        ),
        Effect.timeoutOrElse({
          duration: reportTimeoutMillis,
          orElse: () => fail(`no response from the server process for ${reportTimeoutMillis / 1000} s`)
        })
      )
  }
})

const pieceBytes = 1_048_576

/** Incompressible bytes. */
const randomPieces = (bytes: number): Stream.Stream<Uint8Array, never, Entropy> =>
  Stream.fromIterable(
    (function* () {
      for (let left = bytes; left > 0; left -= pieceBytes) yield Math.min(left, pieceBytes)
    })()
  ).pipe(Stream.mapEffect((size) => Effect.map(Entropy, ({ randomBytes }) => randomBytes(size))))

/** Writes `pieces` to `file`; returns their size and digest. */
const prepare = Effect.fnUntraced(function* <E, R>(pieces: Stream.Stream<Uint8Array, E, R>, file: string) {
  const fs = yield* FileSystem.FileSystem
  const { sha256 } = yield* CliHost
  const digest = sha256()
  let bytes = 0
  const output = yield* fs.open(file, { flag: "wx" })
  const writing = Stream.runForEach(pieces, (piece) => {
    digest.update(piece)
    bytes += piece.length
    return output.writeAll(piece)
  })
  yield* withProgress({ label: "Preparing the file", done: () => bytes, total: () => undefined }, writing)
  return { bytes, sha256: digest.hex() }
}, Effect.scoped)

const downloadOverOne = Effect.fnUntraced(function* (target: HqTarget, total: number, to: Destination) {
  const { host, port } = target
  const endpoint = yield* QuicEndpoint.make({ host })
  const connection = yield* endpoint.connect({ host, port, alpn: [hqAlpn] })
  yield* Console.log("Client   connected, trusting only that certificate")
  let arrived = 0
  const done = yield* withProgress(
    { label: `Receiving ${formatBytes(total)}`, done: () => arrived, total: () => total },
    download(connection, target, to, (count) => {
      arrived += count
    })
  )
  return { done, facts: connectionFacts(connection), lines: [] as ReadonlyArray<string> }
}, Effect.scoped)

export const demo = Command.make(
  "demo",
  {
    size: Flag.String("size").pipe(
      Flag.withMetavar("BYTES"),
      Flag.withDescription("Amount of data to send (default: 100MB, 40MB with --paths)"),
      Flag.filterMap(parseBytes, (text) => `a size such as 500MB, not "${text}"`),
      Flag.optional
    ),
    paths: Flag.Boolean("paths").pipe(
      Flag.withDescription("Over two links of 50 and 20 Mbit/s, the first of which is lost on the way"),
      Flag.withDefault(false)
    ),
    file: Flag.File("file").pipe(
      Flag.withDescription("Send this file instead of random bytes"),
      Flag.optional
    ),
    pcap: pcapFlag
  },
  (options) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const paths = yield* Path.Path
      const host = yield* CliHost
      const scratch = yield* fs.makeTempDirectoryScoped({ prefix: "effect-quic-demo-" })
      const [served, received] = [paths.join(scratch, "served"), paths.join(scratch, "received")]
      yield* fs.makeDirectory(served)
      yield* fs.makeDirectory(received)
      const name = "demo.bin"
      const size = Option.getOrElse(options.size, () => (options.paths ? 40e6 : 100e6))
      // before anything is said, as it may be missing
      if (Option.isSome(options.file)) yield* fs.access(options.file.value, { readable: true })
      const server = yield* startServer(served, options.paths ? demoPaths : 1)
      const { address, fingerprint } = yield* server.next("listening")
      yield* Console.log(
        `Server   process ${server.pid}, UDP ${address.host}:${address.port}, certificate sha256:${fingerprint.slice(0, 12)}…`
      )
      const original = yield* Option.match(options.file, {
        onNone: () => prepare(randomPieces(size), paths.join(served, name)),
        onSome: (file) => prepare(fs.stream(file, { chunkSize: pieceBytes }), paths.join(served, name))
      })
      const trust = Layer.effect(CertificateVerifier, host.trust.keys([fingerprint]))
      const target = { url: name, ...address, path: `/${name}`, fileName: name }
      const { done, facts, lines } = yield* (options.paths ? downloadOverTwo : downloadOverOne)(
        target,
        original.bytes,
        toFile(fs, paths.join(received, name), true)
      ).pipe(Effect.provide([trust, layerCapture(options.pcap)]))
      const sent = yield* server.next("sent")

      yield* Console.log(
        [
          `Sent     sha256:${sent.sha256}`,
          `Received sha256:${done.sha256}`,
          ...lines,
          ...labelled(
            "         ",
            `${formatBytes(done.bytes)} in ${formatMillis(done.millis)}, ${formatRate(done.bytes, done.millis)}, ${facts}, ${formatCount(sent.packetsLost, "packet")} of ${sent.packetsSent} lost`
          )
        ].join("\n")
      )
      if (done.bytes !== original.bytes || done.sha256 !== original.sha256 || sent.sha256 !== original.sha256)
        return yield* fail("the received file differs from the one sent")
      yield* Console.log("The digests match.")
    }).pipe(Effect.scoped, reported)
).pipe(
  Command.withDescription(
    "Send a file from one process to another on this machine, over a real UDP socket, and compare SHA-256 digests on both sides. With --pcap, Wireshark shows the client's packets decrypted; SSLKEYLOGFILE does the same for other captures."
  ),
  Command.withShortDescription("Send a file between two processes and verify it"),
  Command.withExamples([
    { command: "effect-quic demo", description: "100 MB of random bytes" },
    { command: "effect-quic demo --size 2GiB", description: "A larger file" },
    { command: "effect-quic demo --paths", description: "Over two links; one is lost in mid-transfer" },
    {
      command: "SSLKEYLOGFILE=keys.log effect-quic demo --size 1MB",
      description: "With secrets for Wireshark"
    }
  ])
)
