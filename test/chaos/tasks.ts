/** What either side does on its own initiative. */
import * as Effect from "effect/Effect"
import type { QuicConnection, QuicError, QuicStream } from "../../src/index.ts"
import { pattern } from "../api/pair.ts"
import { changePath, openPath } from "./pathTasks.ts"
import type { Ledger } from "./Ledger.ts"
import { encodeRequest, type Pace, readPattern, type Request, writePattern } from "./requests.ts"
import type { CallsTask, CommandTask, DatagramsTask, StreamTask, Task } from "./Scenario.ts"

/** Runs all tasks concurrently, each at its time. Fails when the connection ends; task failures go to the ledger. */
export const runTasks = (
  ledger: Ledger,
  connection: QuicConnection,
  tasks: ReadonlyArray<Task>
): Effect.Effect<void, QuicError> =>
  Effect.forEach(
    tasks,
    (task) =>
      Effect.sleep(task.atMillis).pipe(
        Effect.andThen(
          task.cancelAfterMillis === undefined
            ? runTask(connection, task)
            : Effect.asVoid(Effect.timeoutOption(runTask(connection, task), task.cancelAfterMillis))
        ),
        Effect.tap(() => Effect.sync(() => ledger.finish("initiator", task.tag))),
        Effect.catch((error) =>
          isAboutStream(error)
            ? Effect.sync(() => ledger.violate(`task ${task.tag} (${task.kind}): ${error.message}`))
            : Effect.fail(error)
        )
      ),
    { concurrency: "unbounded", discard: true }
  )

const isAboutStream = ({ reason }: QuicError): boolean =>
  reason._tag === "StreamReset" || reason._tag === "StreamStopped" || reason._tag === "StreamClosed"

const runTask = (connection: QuicConnection, task: Task): Effect.Effect<void, QuicError> => {
  switch (task.kind) {
    case "calls":
      return runCalls(connection, task)
    case "datagrams":
      return runDatagrams(connection, task)
    case "openPath":
      return openPath(connection, task)
    case "abandonPath":
    case "pathBackup":
    case "pathAvailable":
      return changePath(connection, task)
    case "migrate":
    case "rotateIds":
    case "updateKeys":
    case "ping":
      return runCommand(connection, task.kind)
    default:
      return Effect.scoped(runStream(connection, task))
  }
}

const runCommand = (
  connection: QuicConnection,
  kind: CommandTask["kind"]
): Effect.Effect<void, QuicError> => {
  switch (kind) {
    case "migrate":
      // stays where it is when there is no new path or no spare connection ID
      return Effect.catchReason(connection.migrate(), "QuicError", "MigrationFailed", () => Effect.void)
    case "rotateIds":
      // stays with the IDs it has when there are no others yet
      return Effect.catchReasons(connection.rotateConnectionIds, "QuicError", {
        RotationPending: () => Effect.void,
        NoSpareConnectionId: () => Effect.void
      })
    case "updateKeys":
      return connection.updateKeys
    case "ping":
      return connection.ping
  }
}

const wrong = (tag: number, problem: string) => Effect.die(new Error(`task ${tag}: ${problem}`))

const isUpload = (kind: StreamTask["kind"]): boolean =>
  kind === "upload" || kind === "resetUpload" || kind === "stopUpload"

const runStream = Effect.fnUntraced(function* (connection: QuicConnection, task: StreamTask) {
  const { kind, tag, bytes, at, code, deliver } = task
  const stream = yield* isUpload(kind) ? connection.openUni : connection.openBidi
  yield* stream.setPriority(task.priority)
  const { chunk, pauseMillis } = task
  const request = encodeRequest({ kind, tag, bytes, chunk, pauseMillis, at, deliver, code })
  yield* write(stream, request)
  switch (kind) {
    case "echo":
      return yield* echo(stream, tag, bytes, task)
    case "upload":
      yield* writePattern(stream, tag, bytes, task)
      yield* stream.finish
      return yield* stream.finished
    case "resetUpload":
      yield* writePattern(stream, tag, at, task)
      // the request is part of what must be delivered: without it the peer could not identify the task
      return yield* stream.reset(code, deliver === 0 ? {} : { deliver: request.length + deliver })
    case "stopUpload":
      return yield* writePattern(stream, tag, bytes, task).pipe(
        Effect.andThen(stream.finish),
        Effect.andThen(stream.finished),
        // the peer may have received everything before it stopped reading
        Effect.catchReason("QuicError", "StreamStopped", (reason) =>
          reason.code === code ? Effect.void : wrong(tag, `stopped with ${reason.code} , not ${code}`)
        )
      )
    case "download": {
      yield* stream.finish
      const read = yield* readPattern(stream, tag, bytes, Infinity, task)
      return read === bytes ? undefined : yield* wrong(tag, `ended after ${read} of ${bytes} bytes`)
    }
    case "stopDownload":
      yield* stream.finish
      yield* readPattern(stream, tag, bytes, at, task)
      return yield* stream.stop(code)
    case "resetDownload": {
      let read = 0
      const count = (part: Uint8Array) => Effect.sync(() => void (read += part.length))
      yield* stream.finish
      const reading = readPattern(stream, tag, at, Infinity, task, count)
      const end = yield* Effect.flip(reading).pipe(Effect.catch(() => wrong(tag, "ended without a reset")))
      if (end.reason._tag !== "StreamReset" || end.reason.code !== code) return yield* end
      return read >= deliver
        ? undefined
        : yield* wrong(tag, `${read} bytes before the reset, ${deliver} promised`)
    }
  }
})

/** Reads and writes concurrently: an echoing peer reads no faster than its echo is read. */
const echo = Effect.fnUntraced(function* (stream: QuicStream, tag: number, bytes: number, pace: Pace) {
  const writing = Effect.andThen(writePattern(stream, tag, bytes, pace), stream.finish)
  const reading = readPattern(stream, tag, bytes, Infinity, pace)
  const [, read] = yield* Effect.all([writing, reading], { concurrency: "unbounded" })
  if (read !== bytes) yield* wrong(tag, `ended after ${read} of ${bytes} bytes`)
})

const runCalls = (connection: QuicConnection, { tag, bytes, count, concurrency }: CallsTask) =>
  Effect.forEach(
    Array.from({ length: count }),
    () =>
      Effect.gen(function* () {
        const stream = yield* connection.openBidi
        const pace = { chunk: bytes, pauseMillis: 0 }
        yield* write(stream, encodeRequest({ kind: "echo", tag, bytes, ...pace, at: 0, deliver: 0, code: 0 }))
        yield* echo(stream, tag, bytes, pace)
      }).pipe(Effect.scoped),
    { concurrency, discard: true }
  )

const runDatagrams = Effect.fnUntraced(function* (connection: QuicConnection, task: DatagramsTask) {
  for (let number = 0; number < task.count; number++) {
    const length = Math.min(task.bytes, connection.maxDatagramPayloadBytes)
    if (length < 8) return
    const bytes = new Uint8Array(length)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, task.tag)
    view.setUint32(4, number)
    bytes.set(pattern(length - 8, task.tag + number), 8)
    yield* connection.sendDatagram(bytes)
    yield* Effect.sleep(task.pauseMillis)
  }
})

/** Asks the peer to run tasks, and waits until it has. */
export const invite = (
  connection: QuicConnection,
  tasks: ReadonlyArray<Task>
): Effect.Effect<void, QuicError> =>
  Effect.gen(function* () {
    if (tasks.length === 0) return
    const stream = yield* connection.openBidi
    yield* write(stream, encodeRequest({ kind: "invite", tasks } satisfies Request))
    yield* stream.finish
    if ((yield* stream.read()) === undefined) yield* Effect.die(new Error("an invitation was not answered"))
  }).pipe(Effect.scoped)

/** Requests may be larger than the smallest send buffer. */
const write = Effect.fnUntraced(function* (stream: QuicStream, bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += 1_000) yield* stream.write(bytes.subarray(at, at + 1_000))
})
