import { createHash } from "node:crypto"
import { createSocket } from "node:dgram"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { serverName } from "../material.ts"
import { type ClientTask, InteropFailure, type Peer, type Received, type Task } from "../Peer.ts"
import { PeerProcess } from "../PeerProcess.ts"

/*
 * ngtcp2's example programs speak HTTP/3 and report little:
 *
 * - `gtlsclient` checks no certificate: it has no option for an authority, and ignores the system's. What it downloads
 *   is on disk to be compared; a refused stranger cannot be shown.
 * - `gtlsserver` asks for a client's certificate, and takes any.
 * - `gtlsserver` does not say what was uploaded. It holds a request to its content-length, and answers once it has
 *   all of it: the number of bytes is verified, their digest is not.
 */
const client = "/usr/bin/gtlsclient"
const server = "/usr/sbin/gtlsserver"

/** Unlike our own programs these do not notice when we are killed: they get a time to live, in seconds. */
const start = (...command: ReadonlyArray<string>) =>
  PeerProcess.start("timeout", ["--foreground", "60", ...command])

const freePort = Effect.callback<number>((resume) => {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(port)))
  })
})

/** Whether somebody on this machine listens there: the server itself does not say when it is ready. */
const isListening = (port: number): boolean =>
  readFileSync("/proc/net/udp", "utf8").includes(
    `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} `
  )

const serve = Effect.fnUntraced(function* (task: Task) {
  if (task.self.kind !== "x509") return yield* new InteropFailure({ reason: "X.509 only" })
  const port = yield* freePort
  const documents = dirname(task.send.file)
  const program = yield* start(
    server,
    "-q",
    ...(task.mutual ? ["--verify-client"] : []),
    ...["-d", documents, "127.0.0.1", String(port), task.self.keyFile, task.self.certFile]
  )
  const ready: Effect.Effect<void, InteropFailure> = Effect.suspend(() =>
    isListening(port) ? Effect.void : Effect.delay(ready, 10)
  )
  yield* Effect.raceFirst(
    ready,
    Effect.flatMap(program.exitCode, (code) => program.failure(`exited with code ${code}`))
  )
  const received: Received = {
    bytes: task.expect.bytes.length,
    sha256: undefined,
    millis: undefined,
    seen: {}
  }
  return { port, received: Effect.succeed(received) }
})

const fetch = Effect.fnUntraced(function* (task: ClientTask) {
  const downloads = join(dirname(dirname(task.send.file)), `downloads-${task.port}`)
  mkdirSync(downloads)
  const uri = `https://${serverName}:${task.port}/${task.expect.name}.bin`
  const program = yield* start(
    client,
    "-q",
    ...(task.mutual && task.self.kind === "x509"
      ? ["--key", task.self.keyFile, "--cert", task.self.certFile]
      : []),
    "--exit-on-all-streams-close",
    ...["--timeout=10s", "-m", "POST", "-d", task.send.file, `--download=${downloads}`],
    ...["--sni", serverName, "127.0.0.1", String(task.port), uri]
  )
  const exitCode = yield* program.exitCode
  if (exitCode !== 0) return yield* program.failure(`exited with code ${exitCode}`)
  const file = join(downloads, `${task.expect.name}.bin`)
  const bytes = existsSync(file) ? readFileSync(file) : new Uint8Array()
  if (bytes.length === 0) return yield* program.failure("got no answer to its request")
  const sha256 = createHash("sha256").update(bytes).digest("hex")
  return { bytes: bytes.length, sha256, millis: undefined, seen: {} }
})

const blindSpots: Record<string, string | undefined> = {
  "client/stranger": "gtlsclient verifies no certificate, and cannot be told to",
  "server/intruder": "gtlsserver asks for a client certificate, and takes any"
}

export const ngtcp2: Peer = {
  name: "ngtcp2",
  description: "ngtcp2 0.12, Debian",
  application: "http3",
  credentials: "x509",
  prepare: Effect.suspend(() =>
    existsSync(client) && existsSync(server)
      ? Effect.void
      : new InteropFailure({ reason: "install with apt-get install ngtcp2-client ngtcp2-server" })
  ),
  cannot: (caseName, role) => blindSpots[`${role}/${caseName}`],
  server: serve,
  client: fetch
}
