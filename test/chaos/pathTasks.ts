/** Tasks about the paths of a connection. What the state of the connection does not allow does nothing. */
import * as Effect from "effect/Effect"
import type { QuicConnection, QuicError } from "../../src/index.ts"
import type { OpenPathTask, PathTask } from "./Scenario.ts"

export const openPath = (connection: QuicConnection, task: OpenPathTask): Effect.Effect<void, QuicError> =>
  Effect.gen(function* () {
    const { status, host } = task
    const path = yield* connection.openPath({ status, ...(host !== undefined && { local: { host } }) })
    if (task.abandonAfterMillis === undefined) return
    yield* Effect.sleep(task.abandonAfterMillis)
    yield* path.abandon
  }).pipe(refusalIsFine)

export const changePath = (
  connection: QuicConnection,
  { kind, index }: PathTask
): Effect.Effect<void, QuicError> =>
  Effect.suspend(() => {
    const { paths } = connection
    const path = connection.path(paths[index % paths.length].id)
    if (path === undefined) return Effect.void
    return kind === "abandonPath"
      ? path.abandon
      : path.setStatus(kind === "pathBackup" ? "backup" : "available")
  }).pipe(refusalIsFine)

/** An address that the host has no more cannot be bound. */
const refusalIsFine = (effect: Effect.Effect<void, QuicError>): Effect.Effect<void, QuicError> =>
  Effect.catchReasons(effect, "QuicError", {
    PathFailed: () => Effect.void,
    BindFailed: () => Effect.void,
    Unreachable: () => Effect.void
  })
