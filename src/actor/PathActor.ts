/**
 * One path of a connection, and its migrations to other local addresses.
 *
 * It owns a fiber for each migration of the application, which holds the socket, probes the new route (RFC 9000 §8.2), and
 * closes the socket when no route of the path uses it any more. Interrupting it abandons the route being probed.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connection } from "../connection/Connection.ts"
import type { ConnectionPath } from "../connection/ConnectionPath.ts"
import type { SocketNumber } from "../path/Route.ts"
import { EndpointClosed, MigrationFailed, type QuicError, quicError } from "../QuicError.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { Branch } from "./Branch.ts"
import { WaitList } from "./WaitList.ts"

/**
 * Where to bind a socket.
 *
 * @category options
 * @since 0.1.0
 */
export interface LocalPlace {
  /** IP literal. Default any address of the family in use. */
  readonly host?: string
  /** 0 to 65,535. Default 0, which picks a free port. */
  readonly port?: number
}

/**
 * A place to move to, one of several that are raced.
 *
 * @category options
 * @since 0.1.0
 */
export interface MigrationCandidate extends LocalPlace {
  /** The lowest among those that validate wins. 0 to 1,000,000, default its place in the list, from 0. */
  readonly rank?: number
  /** Shown in the trace of migrations. Up to 100 characters, default empty. */
  readonly label?: string
}

/** How long a socket stays open after a path has left it, for datagrams in flight. */
const LINGER_MILLIS = 1000

/** What a path needs of its connection. */
export interface PathHost {
  readonly core: Connection
  /** Where its fibers grow. */
  readonly branch: Branch
  readonly failure: Effect.Effect<never, QuicError> | undefined
  /** `driven`: the core was driven, and a temporary refusal may no longer apply. */
  readonly signals: { readonly driven: WaitList }
  now(): number
  touch(): void
  onDefect(cause: Cause.Cause<unknown>): void
  /**
   * Opens another socket to `remote`, and returns its number in the core. `onRefused` is called when the system refuses
   * to send there.
   */
  openSocket(
    where: LocalPlace,
    remote: SocketAddress,
    onRefused: (problem: string) => void
  ): Effect.Effect<number, QuicError, Scope.Scope>
}

const refusals = {
  disabled: () =>
    new MigrationFailed({
      outcome: "Disabled",
      problem: "the server forbids it by its transport.disableActiveMigration"
    }),
  server: () => new MigrationFailed({ outcome: "NotClient", problem: "only clients migrate" }),
  abandoned: () => new MigrationFailed({ outcome: "Superseded", problem: "the path was abandoned" })
}

/** A migration in progress. */
interface MigrationAttempt {
  /** The one that data was sent on when it began: another may be preferred meanwhile. */
  readonly path: ConnectionPath
  readonly rank: number
  readonly label: string
  /** Its socket; −1 before it is open. */
  socket: SocketNumber
  /** Why the system refuses to send on it. */
  refusal: string | undefined
  readonly result: Deferred.Deferred<void, QuicError>
}

export class PathActor {
  /** The path changed its route, abandoned one, has something new in its trace, or ended. */
  readonly moved = new WaitList()
  private readonly host: PathHost

  constructor(host: PathHost) {
    this.host = host
  }

  /** Migrates the path to another local address once it is validated; interruption leaves the path where it is. */
  migrate({ rank = 0, label = "", ...where }: MigrationCandidate): Effect.Effect<void, QuicError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const { branch } = this.host
        if (this.host.failure !== undefined || branch.isClosing) return this.over
        const attempt: MigrationAttempt = {
          path: this.host.core.path,
          rank,
          label,
          socket: -1,
          refusal: undefined,
          result: Deferred.makeUnsafe()
        }
        // the connection ended, or the caller was interrupted
        const cutShort = Effect.sync(() => Deferred.doneUnsafe(attempt.result, this.over))
        const moving = Effect.onInterrupt(Effect.scoped(this.moveTo(where, attempt)), () => cutShort)
        const fiber = branch.fork(moving, (cause) => {
          Deferred.doneUnsafe(attempt.result, Effect.die(Cause.squash(cause)))
          this.host.onDefect(cause)
        })
        // once the core has migrated there is nothing left to abandon
        const giveUp = Effect.suspend(() =>
          attempt.path.routes.current.socket === attempt.socket ? Effect.void : fiber.close
        )
        return Effect.onInterrupt(restore(Deferred.await(attempt.result)), () => giveUp)
      })
    )
  }

  private moveTo(where: LocalPlace, attempt: MigrationAttempt): Effect.Effect<void, never, Scope.Scope> {
    const { path } = attempt
    const { remote } = path.routes.current
    const host = where.host ?? (remote.family === 4 ? "0.0.0.0" : "::")
    const onRefused = (problem: string) => {
      attempt.refusal = problem
      this.host.touch()
    }
    const move = Effect.gen({ self: this }, function* () {
      const socket = yield* this.host.openSocket({ ...where, host }, remote, onRefused)
      attempt.socket = socket
      yield* Effect.addFinalizer(() => Effect.sync(() => this.abandon(attempt)))
      yield* Effect.andThen(this.startProbing(attempt), this.awaitArrival(attempt))
      Deferred.doneUnsafe(attempt.result, Effect.void)
      yield* this.awaitLeft(attempt)
      yield* Effect.sleep(LINGER_MILLIS)
    })
    return Effect.catch(move, (error) => Effect.asVoid(Deferred.fail(attempt.result, error)))
  }

  /** Whether a route is being validated: the one in use, or one the path is moving to. */
  get isMigrating(): boolean {
    return this.host.core.path.routes.isMoving
  }

  /** What an operation fails with when the connection ends first. */
  private get over(): Effect.Effect<never, QuicError> {
    return this.host.failure ?? Effect.fail(quicError(new EndpointClosed()))
  }

  private startProbing(attempt: MigrationAttempt): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { host } = this
      if (host.failure !== undefined) return host.failure
      if (attempt.path.status.isEnding) return Effect.fail(quicError(refusals.abandoned()))
      const refusal = host.core.migrate(attempt.socket, host.now(), attempt.path, "ActiveMigration", attempt)
      // temporary refusals are waited out
      if (refusal === "unconfirmed" || refusal === "noConnectionId")
        return Effect.flatMap(host.signals.driven.park, () => this.startProbing(attempt))
      if (refusal !== undefined) return Effect.fail(quicError(refusals[refusal]()))
      host.touch()
      return Effect.void
    })
  }

  private awaitArrival(attempt: MigrationAttempt): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { host } = this
      const { socket, refusal, path } = attempt
      if (host.failure !== undefined) return host.failure
      if (path.routes.current.socket === socket) return Effect.void
      if (refusal !== undefined)
        return Effect.fail(quicError(new MigrationFailed({ outcome: "Unreachable", problem: refusal })))
      if (!usesSocket(attempt)) return Effect.fail(quicError(this.failureOf(socket)))
      // not `moved`: a route can also be dropped for a newer one without an event
      return Effect.flatMap(host.signals.driven.park, () => this.awaitArrival(attempt))
    })
  }

  private failureOf(socket: SocketNumber): MigrationFailed {
    const { parts, config } = this.host.core
    return parts.migrationTrace.rejectionAt(config.addressOf(socket)) === "Superseded"
      ? new MigrationFailed({ outcome: "Superseded", problem: "another move took its place" })
      : new MigrationFailed({ outcome: "TimedOut", problem: "the peer does not answer there" })
  }

  private awaitLeft(attempt: MigrationAttempt): Effect.Effect<void> {
    return Effect.suspend(() =>
      usesSocket(attempt) ? Effect.flatMap(this.moved.park, () => this.awaitLeft(attempt)) : Effect.void
    )
  }

  private abandon({ socket, path }: MigrationAttempt): void {
    this.host.core.abandonRoute(socket, this.host.now(), path)
    this.host.touch()
  }
}

/** Not a path that is over, whatever its last route was. */
const usesSocket = ({ path, socket }: MigrationAttempt): boolean =>
  path.status.state !== "failed" && path.routes.all.some((route) => route.socket === socket)
