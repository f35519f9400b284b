/**
 * Opens another path of a connection: a fiber below that of the connection owns its socket for as long as the path
 * exists. Interrupting the fiber abandons the path.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConnectionPath } from "../connection/ConnectionPath.ts"
import { AbandonCode, type OpenRefusal } from "../connection/Multipath.ts"
import type { SocketNumber } from "../path/Route.ts"
import { PathFailed, type QuicError, quicError } from "../QuicError.ts"
import { socketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import type { LocalPlace } from "./PathActor.ts"

/** How long the socket stays open after the path is gone, for datagrams in flight. */
const LINGER_MILLIS = 1000

/** How long connection IDs for a path are waited for: usually they are here before anyone asks. */
const IDS_WAIT_MILLIS = 10_000

/** What to open. */
export interface PathPlan {
  readonly where: LocalPlace
  /** A socket that is open already, and stays so when the path is gone; undefined for one of its own at `where`. */
  readonly socket?: SocketNumber
  /** An IP literal; undefined for the address in use. */
  readonly remote: { readonly host: string; readonly port?: number } | undefined
  readonly isBackup: boolean
  readonly cost: number
}

interface Opening {
  /** The first result counts. */
  readonly settle: (result: Effect.Effect<ConnectionPath, QuicError>) => void
  /** Why the system refuses to send on its socket. */
  refusal: string | undefined
}

const refuse = (outcome: PathFailed["outcome"], problem: string): Effect.Effect<never, QuicError> =>
  Effect.fail(quicError(new PathFailed({ outcome, problem })))

const refusals = {
  server: refuse("NotClient", "only clients open paths"),
  limit: refuse("Limit", "as many are in use as the transport.maxPaths of both sides allow"),
  noConnectionId: refuse("NoConnectionId", "the server has provided no connection ID for it")
}

/** Which side has to be asked for more. */
const notNegotiated = ({ core }: ConnectionActor): Effect.Effect<never, QuicError> => {
  const side = (core.config.transport.maxPaths ?? 1) > 1 ? "the server" : "this side"
  return refuse("NotNegotiated", `${side} allows one path: its transport.maxPaths is 1, the default`)
}

/** Returns once both sides can send on the path; interruption until the caller has it abandons it. */
export const openPath = <A>(
  actor: ConnectionActor,
  plan: PathPlan,
  use: (path: ConnectionPath) => A
): Effect.Effect<A, QuicError> =>
  // the finalizer of `callback` runs on any interrupt until the caller has the result
  Effect.callback((resume) => {
    if (actor.failure !== undefined) return resume(actor.failure)
    const settle: Opening["settle"] = (result) => resume(Effect.map(result, use))
    const opening: Opening = { settle, refusal: undefined }
    const cutShort = Effect.sync(() => settle(actor.failure ?? refuse("Abandoned", "it was given up")))
    const living = Effect.onInterrupt(Effect.scoped(live(actor, plan, opening)), () => cutShort)
    const fiber = actor.branch.fork(living, (cause) => {
      settle(Effect.die(Cause.squash(cause)))
      actor.onDefect(cause)
    })
    return fiber.close
  })

const live = (
  actor: ConnectionActor,
  { where, isBackup, cost, ...plan }: PathPlan,
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
    const socket = plan.socket ?? (yield* actor.openSocket({ ...where, host }, remote, onRefused))
    const path = yield* begin(actor, () => actor.core.multipath.open(remote, socket, actor.now()))
    yield* Effect.addFinalizer(() => Effect.sync(() => abandonPath(actor, path, AbandonCode.NO_ERROR)))
    path.status.cost = cost
    if (isBackup) actor.core.multipath.setBackup(path, true)
    actor.touch()
    yield* untilUsable(actor, path, opening)
    opening.settle(Effect.succeed(path))
    yield* untilGone(actor, path)
    yield* Effect.sleep(LINGER_MILLIS)
  })
  return Effect.catch(life, (error) => Effect.sync(() => opening.settle(Effect.fail(error))))
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

/** Begins the path as soon as that is possible. */
const begin = (
  actor: ConnectionActor,
  open: () => ConnectionPath | OpenRefusal
): Effect.Effect<ConnectionPath, QuicError, Scope.Scope> => {
  let isTold = false
  /** Whether connection IDs were waited for long enough; undefined before they are. */
  let isLate: boolean | undefined
  const giveUp = Effect.sync(() => {
    isLate = true
    actor.signals.driven.wakeAll()
  })
  const look: Effect.Effect<ConnectionPath, QuicError, Scope.Scope> = Effect.suspend(() => {
    if (actor.failure !== undefined) return actor.failure
    const opened = open()
    if (typeof opened !== "string") return Effect.succeed(opened)
    const { handshake, multipath } = actor.core
    if (!isTold) {
      isTold = true
      multipath.tellBlocked(opened)
      actor.touch()
    }
    const again = Effect.flatMap(actor.signals.driven.park, () => look)
    // what will come by itself is waited for: that the handshake is confirmed has a timeout of its own
    if (opened === "notNegotiated" && !handshake.confirmed) return again
    if (opened !== "noConnectionId" || isLate === true)
      return opened === "notNegotiated" ? notNegotiated(actor) : refusals[opened]
    if (isLate === false) return again
    isLate = false
    return Effect.andThen(Effect.forkScoped(Effect.delay(giveUp, IDS_WAIT_MILLIS)), again)
  })
  return look
}

const untilUsable = (
  actor: ConnectionActor,
  path: ConnectionPath,
  opening: Opening
): Effect.Effect<void, QuicError> =>
  Effect.suspend(() => {
    if (actor.failure !== undefined) return actor.failure
    if (path.status.isUsable) return Effect.void
    if (opening.refusal !== undefined) return refuse("Unreachable", opening.refusal)
    if (path.status.abandonment?.by === "peer") return refuse("Abandoned", "the server does not want it")
    if (path.status.isEnding) return refuse("TimedOut", "the server does not answer there")
    return Effect.flatMap(actor.signals.driven.park, () => untilUsable(actor, path, opening))
  })
