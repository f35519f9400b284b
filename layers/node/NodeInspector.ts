/**
 * Lets `effect-quic tree` inspect this process: a Unix socket (a named pipe on Windows) in a directory accessible only to
 * this user, which sends the trees of all endpoints as JSON to every connection and closes it. Reads no input.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { Inspector, type InspectorShape } from "../../src/capability/Inspector.ts"
import type { EndpointNode } from "../../src/FiberTree.ts"

/** How long a process may take to respond. */
const TIMEOUT_MILLIS = 2000
/** Larger responses are ignored. */
const MAX_RESPONSE_BYTES = 256 * 1024 * 1024

/**
 * The endpoints of one process.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProcessTree {
  /** Process ID. */
  readonly pid: number
  /** Command line. */
  readonly command: string
  /** Fiber trees of its endpoints. */
  readonly endpoints: ReadonlyArray<EndpointNode>
}

/**
 * This process cannot be inspected; it continues without.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotInspectable extends Schema.TaggedError<NotInspectable>()("NotInspectable", {
  /** Why, in one line. */
  message: Schema.String
}) {}

const directory = (): string =>
  process.platform === "win32"
    ? "\\\\.\\pipe\\"
    : path.join(process.env.XDG_RUNTIME_DIR || os.tmpdir(), `effect-quic-${os.userInfo().username}`)

/** Creates the directory, or checks that it belongs to this user, as another user could have created it. */
const privateDirectory = Effect.try({
  try: () => {
    const location = directory()
    if (process.platform === "win32") return location
    fs.mkdirSync(location, { recursive: true, mode: 0o700 })
    const { uid, mode } = fs.lstatSync(location)
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0 || !fs.lstatSync(location).isDirectory())
      throw new Error(`${location} is accessible to other users`)
    return location
  },
  catch: (error) => new NotInspectable({ message: String(error instanceof Error ? error.message : error) })
})

let opened = 0

const socketName = (): string => `effect-quic-${process.pid}-${opened++}.sock`

const make = Effect.gen(function* () {
  const location = path.join(yield* privateDirectory, socketName())
  const trees = new Set<Effect.Effect<EndpointNode>>()
  const response = Effect.map(
    Effect.suspend(() => Effect.all([...trees])),
    (endpoints): string =>
      JSON.stringify({
        pid: process.pid,
        command: process.argv.slice(1).join(" "),
        endpoints
      } satisfies ProcessTree)
  )
  const server = net.createServer((socket) => {
    socket.on("error", () => socket.destroy())
    socket.resume()
    Effect.runFork(Effect.map(response, (text) => socket.end(text)))
  })
  // the inspector does not keep the process alive
  server.unref()
  yield* Effect.acquireRelease(
    Effect.callback<void, NotInspectable>((resume) => {
      server.once("error", (error) => resume(Effect.fail(new NotInspectable({ message: error.message }))))
      server.listen(location, () => resume(Effect.void))
    }),
    () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )
  const show: InspectorShape["show"] = (tree) =>
    Effect.acquireRelease(
      Effect.sync(() => void trees.add(tree)),
      () => Effect.sync(() => void trees.delete(tree))
    )
  return { show }
})

/**
 * Exposes the endpoints it is provided to; if that is not possible, logs it at debug level.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = Layer.effect(
  Inspector,
  Effect.catch(make, (error) =>
    Effect.as(Effect.logDebug(`effect-quic tree cannot inspect this process: ${error.message}`), undefined)
  )
)

const query = (location: string): Effect.Effect<ProcessTree | undefined> =>
  Effect.callback<ProcessTree | undefined>((resume) => {
    const chunks: Array<Buffer> = []
    let bytes = 0
    const socket = net.connect(location)
    const abort = () => {
      socket.destroy()
      resume(Effect.succeed(undefined))
    }
    socket.setTimeout(TIMEOUT_MILLIS, abort)
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > MAX_RESPONSE_BYTES) abort()
    })
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // the process ended without removing its socket
      if (error.code === "ECONNREFUSED") fs.rmSync(location, { force: true })
      abort()
    })
    socket.on("end", () => {
      try {
        resume(Effect.succeed(JSON.parse(Buffer.concat(chunks).toString("utf8")) as ProcessTree))
      } catch {
        abort()
      }
    })
    return Effect.sync(() => socket.destroy())
  })

/**
 * The trees of all other inspectable processes of this user, by PID.
 *
 * **Details**
 *
 * Fails with `NotInspectable` if the directory of the sockets is accessible to other users.
 *
 * @category inspecting
 * @since 0.1.0
 */
export const running: Effect.Effect<ReadonlyArray<ProcessTree>, NotInspectable> = Effect.gen(function* () {
  const location = yield* privateDirectory
  const others = (name: string): boolean => {
    const pid = /^effect-quic-(\d+)-\d+\.sock$/.exec(name)?.[1]
    return pid !== undefined && Number(pid) !== process.pid
  }
  const names = fs.readdirSync(location).filter(others)
  const responses = yield* Effect.forEach(names, (name) => query(path.join(location, name)), {
    concurrency: 16
  })
  return responses.filter((response) => response !== undefined).sort((a, b) => a.pid - b.pid)
})
