/**
 * One side of the head-of-line benchmark in its own process: `node heartbeatSides.ts SYSTEM server HOST`, which says
 * its port, or `node heartbeatSides.ts SYSTEM client HOST PORT`, which says how long heartbeats took.
 */
import * as Effect from "effect/Effect"
import { type HeartbeatSystem, heartbeatTransports } from "./heartbeats.ts"

const EVERY_MILLIS = 20
/** What is on its way at the end may still arrive. */
const LAST_MILLIS = 3_000

export interface HeartbeatAnswer {
  /** Round trips in milliseconds, without a log and with one that is as fast as it can be. */
  readonly idle: ReadonlyArray<number>
  readonly loaded: ReadonlyArray<number>
  /** Heartbeats that did not come back. */
  readonly lost: number
  readonly logBytesPerSecond: number
}

const [name, role, host, ...rest] = process.argv.slice(2)
const transport = heartbeatTransports[name as HeartbeatSystem]

const serve = Effect.gen(function* () {
  process.send!({ port: yield* transport.serve(host) })
  return yield* Effect.never
})

const measure = Effect.fnUntraced(function* (port: number, millis: number) {
  let samples: Array<number> = []
  let [sent, received] = [0, 0]
  const connection = yield* transport.connect({ host, port }, (bytes) => {
    samples.push(performance.now() - new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0))
    received++
  })
  const beats = Effect.fnUntraced(function* () {
    const into: Array<number> = []
    samples = into
    const end = performance.now() + millis
    while (performance.now() < end) {
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setFloat64(0, performance.now())
      sent++
      // one that has to wait until it is written does not keep the next from being sent in time
      yield* Effect.forkScoped(connection.beat(bytes))
      yield* Effect.sleep(EVERY_MILLIS)
    }
    return into
  })
  yield* beats()
  yield* Effect.sleep(500)
  const idle = yield* beats()
  yield* Effect.sleep(500)
  let records = 0
  const startedAt = performance.now()
  // other fibers get their turn between records, as they would in a program
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.andThen(
        connection.log,
        Effect.andThen(
          Effect.sync(() => records++),
          Effect.yieldNow
        )
      )
    )
  )
  yield* Effect.sleep(1_000)
  const loaded = yield* beats()
  const logBytesPerSecond = (1000 * 1024 * records) / (performance.now() - startedAt)
  yield* Effect.sleep(LAST_MILLIS)
  process.send!({ idle, loaded, lost: sent - received, logBytesPerSecond } satisfies HeartbeatAnswer)
})

process.on("disconnect", () => process.exit(0))
const failed = (error: unknown): void => {
  process.send!({ error: error instanceof Error ? error.stack : String(error) })
}
const main: Effect.Effect<void, unknown> =
  role === "server" ? Effect.scoped(serve) : Effect.scoped(measure(Number(rest[0]), Number(rest[1])))
Effect.runPromise(main).catch(failed)
