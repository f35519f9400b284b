/** `effect-quic inspect`: a qlog as a page. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Argument, Command, Flag } from "effect/cli"
import { Base64, Hex } from "effect/encoding"
import { Inspection } from "../inspect/Inspection.ts"
import { page, remarksOf } from "../inspect/page.ts"
import { printable } from "../internal/printable.ts"
import { CliHost } from "./CliHost.ts"
import { ExitCode } from "./exitCodes.ts"
import { fail, reported } from "./report.ts"
import { formatBytes, formatCount, formatMillis } from "./units.ts"

/** A log of this size takes some seconds to read; it is of a transfer of about 500 MB. */
export const MAX_LOG_BYTES = 256 * 2 ** 20

const read = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const inspection = new Inspection()
  const decoder = new TextDecoder()
  let bytes = 0
  const tooLarge = fail(
    `${file}: larger than ${formatBytes(MAX_LOG_BYTES)}, the most that inspect reads`,
    ExitCode.file
  )
  const { type, size } = yield* fs.stat(file)
  if (type === "Directory")
    return yield* fail(`${file}: a directory; name one of the .sqlog files in it`, ExitCode.file)
  if (size > MAX_LOG_BYTES) return yield* tooLarge
  // a file that grows, and what has no size
  yield* Stream.runForEach(fs.stream(file), (chunk) => {
    bytes += chunk.length
    if (bytes > MAX_LOG_BYTES) return tooLarge
    inspection.push(decoder.decode(chunk, { stream: true }))
    return Effect.void
  })
  inspection.push(decoder.decode())
  inspection.end()
  if (!inspection.isQlog)
    return yield* fail(
      `${file}: not a qlog as QLOGDIR writes it (.sqlog, JSON text sequences)`,
      ExitCode.file
    )
  return inspection
})

const summaryLine = ({ totals, paths, endMillis }: Inspection): string =>
  [
    `${formatCount(totals.sent.packets, "packet")} sent`,
    `${totals.received.packets} received`,
    `${totals.lost} lost`,
    formatCount(paths.size, "path"),
    formatMillis(endMillis)
  ].join(", ")

export const inspect = Command.make(
  "inspect",
  {
    file: Argument.String("file").pipe(Argument.withDescription("A .sqlog file that QLOGDIR has written")),
    output: Flag.String("out").pipe(
      Flag.withAlias("o"),
      Flag.withMetavar("FILE"),
      Flag.withDescription(
        "The page to write; - is standard output (default: beside the log, ending in .html)"
      ),
      Flag.withDefault("")
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Overwrite an existing file"),
      Flag.withDefault(false)
    )
  },
  ({ file, output, force }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const paths = yield* Path.Path
      const { sha256 } = yield* CliHost
      const inspection = yield* read(file)
      const hash = (text: string): string => {
        const digest = sha256()
        digest.update(new TextEncoder().encode(text))
        return Base64.encode(Result.getOrThrow(Hex.decode(digest.hex())))
      }
      const name = paths.basename(file)
      const html = page(inspection, printable(name), hash)
      const remarks = remarksOf(inspection)
      if (remarks.length > 0) yield* Console.error(`effect-quic: warning: ${remarks.join("; ")}`)
      if (output === "-") return yield* Console.log(html.trimEnd())
      const target =
        output === "" ? paths.join(paths.dirname(file), `${name.replace(/\.s?qlog$/, "")}.html`) : output
      if (!force && (yield* fs.exists(target)))
        return yield* fail(`${target} already exists; use --force to overwrite it`, ExitCode.file)
      yield* fs.writeFileString(target, html, { flag: force ? "w" : "wx" })
      yield* Console.log(`${printable(target, 500)}  ${summaryLine(inspection)}`)
    }).pipe(reported)
).pipe(
  Command.withDescription(
    "Write a page of a connection's qlog: what it was, congestion window, bytes in flight, round-trip time and losses of each path over time, and every packet with its frames. The page is one file that loads nothing from anywhere; open it in a browser. QLOGDIR=logs makes any program of this package write qlogs."
  ),
  Command.withShortDescription("Make a page of a connection's qlog"),
  Command.withExamples([
    {
      command: "QLOGDIR=logs effect-quic demo && effect-quic inspect logs/*_client.sqlog",
      description: "Look at a transfer"
    },
    { command: "effect-quic inspect FILE.sqlog -o page.html", description: "Somewhere else" }
  ])
)
