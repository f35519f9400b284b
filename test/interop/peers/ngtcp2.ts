import { noMultipath } from "./programs.ts"
import type { Role } from "../../../src/wire/Role.ts"
import { createHash } from "node:crypto"
import { createSocket } from "node:dgram"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { serverName } from "../material.ts"
import { type ClientTask, InteropFailure, type Peer, type Place, type Received, type Task } from "../Peer.ts"
import { PeerProcess } from "../PeerProcess.ts"
import { type StreamReceived, combineStreams } from "../Receipt.ts"

/*
 * ngtcp2's example programs speak HTTP/3 and report little:
 *
 * - `gtlsclient` verifies no certificate: it has no option for a CA and ignores the system's. Its downloads are on disk
 *   and can be compared; rejection of a stranger cannot be tested.
 * - `gtlsserver` requests a client certificate and accepts any.
 * - `gtlsserver` does not report what was uploaded. It enforces a request's content-length and answers once the body is
 *   complete: the byte count is verified, the digest is not.
 * - neither reports on its connection: what is known comes from the other side, or from the wire.
 */
const client = "/usr/bin/gtlsclient"
const server = "/usr/sbin/gtlsserver"

/** Unlike our own programs these do not notice when we are killed, so the system kills them. */
const start = (place: Place, ...command: ReadonlyArray<string>) =>
  PeerProcess.start("setpriv", ["--pdeathsig", "KILL", ...place.launcher, ...command])

const loopback: Place = { launcher: [], host: "127.0.0.1" }

const freePort = Effect.callback<number>((resume) => {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(port)))
  })
})

/** Whether some process listens on the port: the server does not announce that it is ready. */
const isListening = (pid: number, host: string, port: number): boolean => {
  const hex = (bytes: ReadonlyArray<number>) => Buffer.from(bytes).toString("hex").toUpperCase()
  const address = hex(host.split(".").map(Number).reverse())
  const table = `/proc/${pid}/net/udp`
  return (
    existsSync(table) && readFileSync(table, "utf8").includes(`${address}:${hex([port >> 8, port & 255])} `)
  )
}

/** As a GnuTLS priority string. */
const onlyChacha20 = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305"

const cipherArgs = ({ cipherSuite }: Task): ReadonlyArray<string> =>
  cipherSuite === undefined ? [] : [`--ciphers=${onlyChacha20}`]

const serve = Effect.fnUntraced(function* (task: Task) {
  if (task.self.kind !== "x509") return yield* new InteropFailure({ reason: "X.509 only" })
  const port = yield* freePort
  const { place = loopback } = task
  const documents = dirname(task.send.file)
  const program = yield* start(
    place,
    server,
    "-q",
    ...(task.mutual ? ["--verify-client"] : []),
    ...(task.retry ? ["--validate-addr"] : []),
    ...cipherArgs(task),
    ...["-d", documents, place.host, String(port), task.self.keyFile, task.self.certFile]
  )
  const ready: Effect.Effect<void, InteropFailure> = Effect.suspend(() =>
    isListening(program.pid, place.host, port) ? Effect.void : Effect.delay(ready, 10)
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

/** When to trigger an event: time is the only unit the programs offer, and 2 MB take some 50 ms. */
const soon = "10ms"

/** Reserved to force version negotiation. RFC 9000 §15 */
const unknownVersion = "0x1a2a3a4a"

const featureArgs = (task: ClientTask): ReadonlyArray<string> => [
  ...cipherArgs(task),
  ...(task.keyUpdate === "client" ? [`--key-update=${soon}`] : []),
  ...(task.migrate ? [`--change-local-addr=${soon}`] : []),
  ...(task.version === "unknown" ? [`--version=${unknownVersion}`, "--preferred-versions=v1"] : [])
]

/** One connection; each response is saved to a file named after its path. */
const fetchOnce = Effect.fnUntraced(function* (task: ClientTask, round: number, early: boolean) {
  const directory = dirname(dirname(task.send.file))
  const downloads = join(directory, `downloads-${task.port}-${round}`)
  const session = join(directory, `session-${task.port}`)
  mkdirSync(downloads)
  const names = Array.from({ length: task.streams ?? 1 }, (_, i) => `${i}.bin`)
  // its own server has one document per name, and a name can be downloaded only once
  if (names.length === 1) names[0] = `${task.expect.name}.bin`
  const { place = loopback } = task
  const program = yield* start(
    place,
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
    ...["--sni", serverName, place.host, String(task.port)],
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
  return { ...combineStreams(received), millis: undefined, seen: {} }
})

const draft = "its version 2 is a draft's, 0x709a50c4"
const noDatagrams = "its programs send no datagrams"

const limits: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  client: {
    stranger: "it cannot verify certificates",
    v2: draft,
    datagrams: noDatagrams
  },
  server: {
    intruder: "it requests a client certificate but accepts any",
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
  cannot: (caseName, role) => (caseName === "multipath" ? noMultipath : limits[role][caseName]),
  server: serve,
  client: fetch
}
