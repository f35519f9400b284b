/**
 * An on-path observer's view: captures the demo on loopback and checks that tshark, given the key log, decrypts and
 * dissects every packet.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { ChildProcess } from "effect/process"
import type { Row } from "./matrix.ts"

const row = { peer: "tshark", role: "client", case: "decode" } as const

const node = process.execPath
const cli = new URL("../../layers/node/bin.ts", import.meta.url).pathname

const text = (command: ChildProcess.Command) =>
  Effect.flatMap(command, (child) => Stream.mkString(Stream.decodeText(child.stdout)))

/** Counts frames by type, and packets that could not be decrypted or dissected. */
const dissect = Effect.fnUntraced(function* (capture: string, keys: string, port: string) {
  const output = yield* text(
    ChildProcess.make(
      "tshark",
      [
        ...[
          "-r",
          capture,
          "-o",
          `tls.keylog_file:${keys}`,
          "-d",
          `udp.port==${port},quic`,
          "-Y",
          `udp.port==${port}`
        ],
        ...["-T", "fields"],
        ...["-e", "quic.frame_type", "-e", "quic.decryption_failed", "-e", "_ws.malformed"]
      ],
      { stderr: "ignore" }
    )
  )
  const frames = new Map<number, number>()
  let unreadable = 0
  for (const line of output.trimEnd().split("\n")) {
    const [types = "", failed = "", malformed = ""] = line.split("\t")
    if (failed !== "" || malformed !== "" || types === "") unreadable++
    for (const type of types.split(",").map(Number)) frames.set(type, (frames.get(type) ?? 0) + 1)
  }
  return { frames, unreadable, packets: output.trimEnd().split("\n").length }
})

/** Captures a demo and has tshark read it. */
export const decodesInTshark = Effect.fnUntraced(function* (requireAll: boolean) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "effect-quic-capture-" })
  const [capture, keys] = [path.join(directory, "demo.pcapng"), path.join(directory, "keys.log")]

  const missing = yield* Effect.match(
    text(ChildProcess.make("tshark", ["--version"], { stderr: "ignore" })),
    {
      onFailure: () => true,
      onSuccess: (version) => !version.includes("TShark")
    }
  )
  if (missing)
    return {
      ...row,
      result: requireAll ? "fail" : "unsupported",
      reason: "install with apt-get install tshark"
    } as Row

  const sniffer = yield* ChildProcess.make("tshark", ["-i", "lo", "-f", "udp", "-w", capture], {
    stdout: "ignore"
  })
  // dumpcap announces on stderr that it is capturing
  yield* sniffer.stderr.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.takeUntil((line) => line.includes("Capturing on")),
    Stream.runDrain
  )
  const demo = yield* text(
    ChildProcess.make(node, ["--no-warnings", cli, "demo", "--size", "1MB"], {
      // a train of node:ffi's port is captured before the system takes it apart, as one large datagram
      env: { SSLKEYLOGFILE: keys, EFFECT_QUIC_IO: "portable" },
      extendEnv: true,
      stderr: "inherit"
    })
  )
  yield* Effect.sleep(1000) // dumpcap flushes once a second
  yield* Effect.ignore(sniffer.kill({ killSignal: "SIGINT" }))
  yield* Effect.ignore(sniffer.exitCode)
  const port = /UDP [\d.]+:(\d+)/.exec(demo)?.[1]
  if (port === undefined || !demo.includes("The digests match"))
    return { ...row, result: "fail", reason: "the demo failed", detail: demo } as Row

  const { frames, unreadable, packets } = yield* dissect(capture, keys, port)
  const seen = (from: number, to = from): number => {
    let count = 0
    for (const [type, times] of frames) if (type >= from && type <= to) count += times
    return count
  }
  // CRYPTO, HANDSHAKE_DONE, ACK, the file's STREAM frames, and CONNECTION_CLOSE
  const complete =
    seen(0x06) > 0 && seen(0x1e) > 0 && seen(0x02) > 0 && seen(0x08, 0x0f) >= 600 && seen(0x1c, 0x1d) > 0
  return complete && unreadable === 0
    ? ({ ...row, result: "pass", reason: `${packets} datagrams, all dissected` } as Row)
    : ({
        ...row,
        result: "fail",
        reason: `${unreadable} of ${packets} datagrams not dissected; frames by type: ${JSON.stringify([...frames])}`
      } as Row)
})
