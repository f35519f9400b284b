/**
 * Opens another path of a connection: a fiber below that of the connection owns its socket for as long as the path
 * exists. Interrupting the fiber abandons the path.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConnectionPath } from "../connection/ConnectionPath.ts"
import { AbandonCode, type OpenRefusal } from "../connection/Multipath.ts"
import { PathFailed, type QuicError, quicError } from "../QuicError.ts"
import { socketAddress } from "../wire/SocketAddress.ts"
import type { Branch } from "./Branch.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import type { LocalPlace } from "./PathActor.ts"

/** How long the socket stays open after the path is gone, for datagrams in flight. */
const LINGER_MILLIS = 1000

/** What to open. */
export interface PathPlan {
  readonly where: LocalPlace
  /** An IP literal; undefined for the address in use. */
  readonly remote: { readonly host: string; readonly port?: number } | undefined
  readonly isBackup: boolean
}

interface Opening {
  readonly result: Deferred.Deferred<ConnectionPath, QuicError>
  /** Why the system refuses to send on its socket. */
  refusal: string | undefined
}

const refusals = {
  notNegotiated: () =>
    new PathFailed({ outcome: "NotNegotiated", problem: "both sides have to allow more than one path" }),
  server: () => new PathFailed({ outcome: "NotClient", problem: "only clients open paths" }),
  limit: () => new PathFailed({ outcome: "Limit", problem: "the server allows no more" })
}

/** Returns once both sides can send on the path; interruption until the caller has it abandons it. */
export const openPath = <A>(
  actor: ConnectionActor,
  plan: PathPlan,
  use: (path: ConnectionPath) => A
): Effect.Effect<A, QuicError> =>
  Effect.suspend(() => {
    let fiber: Branch | undefined
    const opened = Effect.suspend(() => {
      if (actor.failure !== undefined) return actor.failure
      const opening: Opening = { result: Deferred.makeUnsafe(), refusal: undefined }
      const abandoned = quicError(new PathFailed({ outcome: "Abandoned", problem: "it was given up" }))
      const cutShort = Effect.sync(() =>
        Deferred.doneUnsafe(opening.result, actor.failure ?? Effect.fail(abandoned))
      )
      const living = Effect.onInterrupt(Effect.scoped(live(actor, plan, opening)), () => cutShort)
      fiber = actor.branch.fork(living, (cause) => {
        Deferred.doneUnsafe(opening.result, Effect.die(Cause.squash(cause)))
        actor.onDefect(cause)
      })
      return Effect.map(Deferred.await(opening.result), use)
    })
    // outermost: also when the path has just become usable, and the caller will never know of it
    return Effect.onInterrupt(opened, () => fiber?.close ?? Effect.void)
  })

const live = (
  actor: ConnectionActor,
  { where, isBackup, ...plan }: PathPlan,
  opening: Opening
): Effect.Effect<void, never, Scope.Scope> => {
  const inUse = actor.core.path.remote
  const remote =
    plan.remote === undefined ? inUse : socketAddress(plan.remote.host, plan.remote.port ?? inUse.port)!
  const host = where.host ?? (remote.family === 4 ? "0.0.0.0" : "::")
  const onRefused = (problem: string) => {
    opening.refusal = problem
    actor.touch()
  }
  const life = Effect.gen(function* () {
    const socket = yield* actor.openSocket({ ...where, host }, remote, onRefused)
    const path = yield* begin(actor, () => actor.core.multipath.open(remote, socket, actor.now()))
    yield* Effect.addFinalizer(() => Effect.sync(() => abandonPath(actor, path, AbandonCode.NO_ERROR)))
    if (isBackup) actor.core.multipath.setBackup(path, true)
    actor.touch()
    yield* untilUsable(actor, path, opening)
    Deferred.doneUnsafe(opening.result, Effect.succeed(path))
    yield* untilGone(actor, path)
    yield* Effect.sleep(LINGER_MILLIS)
  })
  return Effect.catch(life, (error) => Effect.asVoid(Deferred.fail(opening.result, error)))
}

/** Ends the use of a path; false for the last one. */
export const abandonPath = (actor: ConnectionActor, path: ConnectionPath, code: number): boolean => {
  const isDone = actor.core.multipath.abandon(path, code, actor.now())
  actor.touch()
  return isDone
}

/** Waits until the path is over at both ends, or the connection is. */
export const untilGone = (actor: ConnectionActor, path: ConnectionPath): Effect.Effect<void> =>
  Effect.suspend(() =>
    actor.isOver || path.status.state === "failed"
      ? Effect.void
      : Effect.flatMap(actor.path.moved.park, () => untilGone(actor, path))
  )

const begin = (
  actor: ConnectionActor,
  open: () => ConnectionPath | OpenRefusal,
  isFirst = true
): Effect.Effect<ConnectionPath, QuicError> =>
  Effect.suspend(() => {
    if (actor.failure !== undefined) return actor.failure
    const opened = open()
    if (typeof opened !== "string") return Effect.succeed(opened)
    const { handshake, multipath } = actor.core
    const { confirmed } = handshake
    if (isFirst) {
      multipath.tellBlocked(opened)
      actor.touch()
    }
    // what will come by itself is waited for
    if (opened === "noConnectionId" || (opened === "notNegotiated" && !confirmed))
      return Effect.flatMap(actor.signals.driven.park, () => begin(actor, open, false))
    return Effect.fail(quicError(refusals[opened]()))
  })

const untilUsable = (
  actor: ConnectionActor,
  path: ConnectionPath,
  opening: Opening
): Effect.Effect<void, QuicError> =>
  Effect.suspend(() => {
    if (actor.failure !== undefined) return actor.failure
    if (path.status.isUsable) return Effect.void
    const { refusal } = opening
    if (refusal !== undefined)
      return Effect.fail(quicError(new PathFailed({ outcome: "Unreachable", problem: refusal })))
    if (path.status.isEnding)
      return Effect.fail(
        quicError(new PathFailed({ outcome: "TimedOut", problem: "the server does not answer there" }))
      )
    return Effect.flatMap(actor.signals.driven.park, () => untilUsable(actor, path, opening))
  })
