/**
 * Our side as a program, like those of the peers: `client` or `server` and the flags of ../interop/programs/program.ts.
 *
 * It prints its progress every megabyte, and updates the keys when it reads `update-keys` from stdin. It is not told of
 * what happens to the network.
 */
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Identity from "../../src/Identity.ts"
import type { QuicConnection } from "../../src/QuicConnection.ts"
import type { QuicError } from "../../src/QuicError.ts"
import { type Companion, ours } from "../interop/ours.ts"
import type { Credential, Payload, Received } from "../interop/Peer.ts"
import { emit, fail, leave, readTask } from "../interop/programs/program.ts"
import type { Command } from "./OurProcesses.ts"
import { secondAddress } from "./Network.ts"
import { bulkName } from "./scenarios.ts"
import { LiveCryptoSuite } from "../io.ts"

const reportEveryBytes = 1_000_000

/** Counts what arrives or leaves, and times its gaps. */
class ProgressMeter {
  private bytes = 0
  private reported = 0
  private stallMillis = 0
  private lastAt: number | undefined

  readonly add = (bytes: number): void => {
    const now = performance.now()
    if (this.lastAt !== undefined) this.stallMillis = Math.max(this.stallMillis, now - this.lastAt)
    this.lastAt = now
    this.bytes += bytes
    if (this.bytes - this.reported >= reportEveryBytes) this.report()
  }

  report(): void {
    const { bytes, stallMillis } = this
    this.reported = bytes
    emit({ event: "progress", bytes, stallMillis })
  }
}

type Act = (connection: QuicConnection) => Effect.Effect<void, QuicError>

const commands: Readonly<Record<Command, Act>> = {
  "update-keys": (connection) => connection.updateKeys,
  "open-path": (connection) => Effect.asVoid(connection.openPath({ local: { host: secondAddress } }))
}

const program = Effect.gen(function* () {
  const task = readTask()
  const lines = yield* Queue.unbounded<Command>()
  createInterface({ input: process.stdin }).on("line", (line) => Queue.offerUnsafe(lines, line as Command))
  const meter = new ProgressMeter()
  const companion: Companion = {
    onBytes: meter.add,
    meanwhile: (connection) =>
      Effect.forever(Effect.flatMap(Queue.take(lines), (command) => commands[command](connection)))
  }
  const identity = yield* Identity.fromPem({
    cert: readFileSync(task.cert, "utf8"),
    key: readFileSync(task.key, "utf8")
  })
  const credential: Credential = {
    kind: "x509",
    identity,
    certFile: task.cert,
    keyFile: task.key,
    authorityFile: task.ca,
    authority: new X509Certificate(readFileSync(task.ca)).raw
  }
  const payload = (name: string, bytes: Uint8Array): Payload => ({ name, file: "", bytes, sha256: "" })
  const common = {
    application: task.alpn === "h3" ? "http3" : "transfer",
    self: credential,
    trusted: credential,
    mutual: true,
    send: payload("sent", task.file),
    expect: payload(bulkName, new Uint8Array()),
    place: { launcher: [], host: task.host },
    ...(task.multipath && { multipath: true }),
    companion
  } as const
  const report = ({ bytes, sha256 = "", millis = 0, seen }: Received) => {
    meter.report()
    emit({ event: "seen", ...seen })
    emit({ event: "received", bytes, sha256, millis })
  }
  if (task.role === "client") {
    report(yield* ours.client({ ...common, port: task.port }))
    return leave()
  }
  const server = yield* ours.server(common)
  emit({ event: "listening", port: server.port })
  report(yield* server.received)
  yield* Effect.never
})

program.pipe(
  Effect.scoped,
  Effect.provide([NodeServices.layer, LiveCryptoSuite.layer]),
  Effect.catch((error) => Effect.sync(() => fail(error))),
  NodeRuntime.runMain()
)
