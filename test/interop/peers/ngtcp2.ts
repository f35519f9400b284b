import type { Role } from "../../../src/wire/Role.ts"
import { createHash } from "node:crypto"
import { createSocket } from "node:dgram"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { serverName } from "../material.ts"
import { type ClientTask, InteropFailure, type Peer, type Received, type Task } from "../Peer.ts"
import { PeerProcess } from "../PeerProcess.ts"
import { type StreamReceived, together } from "../Receipt.ts"

/*
 * ngtcp2's example programs speak HTTP/3 and report little:
 *
 * - `gtlsclient` checks no certificate: it has no option for an authority, and ignores the system's. What it downloads
 *   is on disk to be compared; a refused stranger cannot be shown.
 * - `gtlsserver` asks for a client's certificate, and takes any.
 * - `gtlsserver` does not say what was uploaded. It holds a request to its content-length, and answers once it has
 *   all of it: the number of bytes is verified, their digest is not.
 * - neither says what came of a connection: what there is to know is known from the other side, or from the wire.
 */
const client = "/usr/bin/gtlsclient"
const server = "/usr/sbin/gtlsserver"

/** Unlike our own programs these do not notice when we are killed: the system tells them. */
const start = (...command: ReadonlyArray<string>) =>
  PeerProcess.start("setpriv", ["--pdeathsig", "KILL", ...command])

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

/** In GnuTLS' words. */
const onlyChacha20 = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305"

const cipherArgs = ({ cipherSuite }: Task): ReadonlyArray<string> =>
  cipherSuite === undefined ? [] : [`--ciphers=${onlyChacha20}`]

const serve = Effect.fnUntraced(function* (task: Task) {
  if (task.self.kind !== "x509") return yield* new InteropFailure({ reason: "X.509 only" })
  const port = yield* freePort
  const documents = dirname(task.send.file)
  const program = yield* start(
    server,
    "-q",
    ...(task.mutual ? ["--verify-client"] : []),
    ...(task.retry ? ["--validate-addr"] : []),
    ...cipherArgs(task),
    ...["-d", documents, "127.0.0.1", String(port), task.self.keyFile, task.self.certFile]
  )
  const ready: Effect.Effect<void, InteropFailure> = Effect.suspend(() =>
    isListening(port) ? Effect.void : Effect.delay(ready, 10)
  )
  yield* Effect.raceFirst(
    ready,
    Effect.flatMap(program.exitCode, (code) => program.failure(`exited with code ${code}`))
  )
  const times = (task.streams ?? 1) * (task.comeBack === undefined ? 1 : 2)
  const received: Received = {
    bytes: task.expect.bytes.length * times,
    sha256: undefined,
    millis: undefined,
    seen: {}
  }
  return { port, received: Effect.succeed(received) }
})

/** When in a transfer something is to happen: they know no other measure, and 2 MB take some 50 ms. */
const soon = "10ms"

/** Reserved: nobody speaks it. RFC 9000 §15 */
const unknownVersion = "0x1a2a3a4a"

const featureArgs = (task: ClientTask): ReadonlyArray<string> => [
  ...cipherArgs(task),
  ...(task.keyUpdate === "client" ? [`--key-update=${soon}`] : []),
  ...(task.migrate ? [`--change-local-addr=${soon}`] : []),
  ...(task.version === "unknown" ? [`--version=${unknownVersion}`, "--preferred-versions=v1"] : [])
]

/** One connection; each answer becomes a file, whose name is its path. */
const fetchOnce = Effect.fnUntraced(function* (task: ClientTask, round: number, early: boolean) {
  const directory = dirname(dirname(task.send.file))
  const downloads = join(directory, `downloads-${task.port}-${round}`)
  const session = join(directory, `session-${task.port}`)
  mkdirSync(downloads)
  const names = Array.from({ length: task.streams ?? 1 }, (_, i) => `${i}.bin`)
  // its own server finds what it knows, and each name only once
  if (names.length === 1) names[0] = `${task.expect.name}.bin`
  const program = yield* start(
    client,
    "-q",
    ...(task.mutual && task.self.kind === "x509"
      ? ["--key", task.self.keyFile, "--cert", task.self.certFile]
      : []),
    ...(task.comeBack === undefined ? [] : [`--session-file=${session}`, `--tp-file=${session}-parameters`]),
    ...(early ? [] : ["--disable-early-data"]),
    ...featureArgs(task),
    "--exit-on-all-streams-close",
    ...["--timeout=10s", "-m", "POST", "-d", task.send.file, `--download=${downloads}`],
    ...["--sni", serverName, "127.0.0.1", String(task.port)],
    ...names.map((name) => `https://${serverName}:${task.port}/${name}`)
  )
  const exitCode = yield* program.exitCode
  if (exitCode !== 0) return yield* program.failure(`exited with code ${exitCode}`)
  const received: Array<StreamReceived> = []
  for (const name of names) {
    const file = join(downloads, name)
    const bytes = existsSync(file) ? readFileSync(file) : new Uint8Array()
    if (bytes.length === 0) return yield* program.failure("got no answer to its request")
    const sha256 = createHash("sha256").update(bytes).digest("hex")
    received.push({ bytes: bytes.length, sha256, millis: 0 })
  }
  return received
})

const fetch = Effect.fnUntraced(function* (
  task: ClientTask
): Effect.fn.Return<Received, InteropFailure, ChildProcessSpawner | Scope.Scope> {
  const received = yield* fetchOnce(task, 1, false)
  if (task.comeBack !== undefined)
    received.push(...(yield* fetchOnce(task, 2, task.comeBack === "earlyData")))
  return { ...together(received), millis: undefined, seen: {} }
})

const draft = "its version 2 is that of a draft, 0x709a50c4"
const noDatagrams = "its programs send no datagrams"

const limits: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  client: {
    stranger: "it verifies no certificate, and cannot be told to",
    v2: draft,
    datagrams: noDatagrams
  },
  server: {
    intruder: "it asks for a client certificate, and takes any",
    v2: draft,
    datagrams: noDatagrams
  }
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
  cannot: (caseName, role) => limits[role][caseName],
  server: serve,
  client: fetch
}
