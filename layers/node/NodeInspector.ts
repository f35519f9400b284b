/**
 * Lets `effect-quic tree` look into this process: a Unix socket (a named pipe on Windows) in a directory only this user
 * may enter, which answers every connection with the trees of all endpoints, as JSON, and hangs up. It takes no input.
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

/** How long a process may take to answer. */
const PATIENCE_MILLIS = 2000
/** More than this is no tree that anybody reads. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/** What a process tells. */
export interface ProcessTree {
  readonly pid: number
  /** How it was started. */
  readonly command: string
  readonly endpoints: ReadonlyArray<EndpointNode>
}

/** Nobody can look into this process; it goes on without. */
export class NotInspectable extends Schema.TaggedError<NotInspectable>()("NotInspectable", {
  message: Schema.String
}) {}

const directory = (): string =>
  process.platform === "win32"
    ? "\\\\.\\pipe\\"
    : path.join(process.env.XDG_RUNTIME_DIR || os.tmpdir(), `effect-quic-${os.userInfo().username}`)

/** Makes the directory, or makes sure that it is nobody else's: what stands there could be a trap. */
const ownDirectory = Effect.try({
  try: () => {
    const place = directory()
    if (process.platform === "win32") return place
    fs.mkdirSync(place, { recursive: true, mode: 0o700 })
    const { uid, mode } = fs.lstatSync(place)
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0 || !fs.lstatSync(place).isDirectory())
      throw new Error(`${place} is open to others`)
    return place
  },
  catch: (error) => new NotInspectable({ message: String(error instanceof Error ? error.message : error) })
})

let opened = 0

const socketName = (): string => `effect-quic-${process.pid}-${opened++}.sock`

const make = Effect.gen(function* () {
  const place = path.join(yield* ownDirectory, socketName())
  const trees = new Set<Effect.Effect<EndpointNode>>()
  const answer = Effect.map(
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
    Effect.runFork(Effect.map(answer, (text) => socket.end(text)))
  })
  // looking into a process does not keep it alive
  server.unref()
  yield* Effect.acquireRelease(
    Effect.callback<void, NotInspectable>((resume) => {
      server.once("error", (error) => resume(Effect.fail(new NotInspectable({ message: error.message }))))
      server.listen(place, () => resume(Effect.void))
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

/** Shows the endpoints it is provided to; where that is not possible, it says so in the log and nothing else happens. */
export const layer: Layer.Layer<never> = Layer.effect(
  Inspector,
  Effect.catch(make, (error) =>
    Effect.as(Effect.logDebug(`effect-quic tree cannot look into this process: ${error.message}`), undefined)
  )
)

const askOne = (place: string): Effect.Effect<ProcessTree | undefined> =>
  Effect.callback<ProcessTree | undefined>((resume) => {
    const chunks: Array<Buffer> = []
    let bytes = 0
    const socket = net.connect(place)
    const giveUp = () => {
      socket.destroy()
      resume(Effect.succeed(undefined))
    }
    socket.setTimeout(PATIENCE_MILLIS, giveUp)
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > MAX_ANSWER_BYTES) giveUp()
    })
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // the process is gone, and could not tidy up
      if (error.code === "ECONNREFUSED") fs.rmSync(place, { force: true })
      giveUp()
    })
    socket.on("end", () => {
      try {
        resume(Effect.succeed(JSON.parse(Buffer.concat(chunks).toString("utf8")) as ProcessTree))
      } catch {
        giveUp()
      }
    })
    return Effect.sync(() => socket.destroy())
  })

/** The trees of all other processes of this user that show theirs, by process number. */
export const running: Effect.Effect<ReadonlyArray<ProcessTree>, NotInspectable> = Effect.gen(function* () {
  const place = yield* ownDirectory
  const others = (name: string): boolean => {
    const pid = /^effect-quic-(\d+)-\d+\.sock$/.exec(name)?.[1]
    return pid !== undefined && Number(pid) !== process.pid
  }
  const names = fs.readdirSync(place).filter(others)
  const answers = yield* Effect.forEach(names, (name) => askOne(path.join(place, name)), { concurrency: 16 })
  return answers.filter((answer) => answer !== undefined).sort((a, b) => a.pid - b.pid)
})
