/**
 * An attempt to reach a server: takes out what is stored about it, begins a connection, and waits until that can be used.
 *
 * It is one operation to its caller, and what it makes belongs to the endpoint's tree from the start. An interrupt thus
 * either comes too late, when the caller has the connection, or finds an owner that ends it; a ticket that nobody has seen
 * on the wire goes back to where it was.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { EndpointClosed, type QuicError, quicError } from "../QuicError.ts"
import { own } from "./acquire.ts"
import type { Branch } from "./Branch.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { endConnection } from "./endConnection.ts"

export interface AttemptSteps<Memory, Connection> {
  /** Where the fiber grows that reads the store. */
  readonly host: {
    readonly branch: Branch
    readonly isClosed: boolean
    /** Waits until one more handshake can be begun. */
    readonly mayBegin: Effect.Effect<void>
  }
  readonly take: Effect.Effect<Memory>
  readonly putBack: (memory: Memory) => Effect.Effect<void>
  readonly begin: (memory: Memory) => ConnectionActor
  /** It may be used for 0-RTT before the handshake is complete. */
  readonly earlyData: boolean
  /** The connection as the application gets it. */
  readonly show: (actor: ConnectionActor) => Connection
}

/** A function of its own: the finalizer lasts as long as the scope and must not retain the variables of `attempt`. */
const ownConnection = (scope: Scope.Scope, actor: ConnectionActor): Scope.Closeable => {
  const owned = Scope.forkUnsafe(scope)
  own(owned, (exit) => endConnection(actor, exit))
  return owned
}

const closed = Effect.fail(quicError(new EndpointClosed()))

export const attempt = <Memory, Connection>(
  steps: AttemptSteps<Memory, Connection>
): Effect.Effect<Connection, QuicError, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.callback((resume) => {
      const { host } = steps
      let isGivenUp = false
      let memory: Memory | undefined
      let actor: ConnectionActor | undefined
      let owned: Scope.Closeable | undefined
      let unlisten: (() => void) | undefined

      const look = (begun: ConnectionActor): void => {
        if (begun.failure !== undefined)
          return resume(
            begun.isUnreachable ? Effect.andThen(steps.putBack(memory!), begun.failure) : begun.failure
          )
        if (!begun.isEstablished && !(steps.earlyData && begun.isUsable)) {
          unlisten = begun.signals.ready.listen(() => look(begun))
          return
        }
        owned = ownConnection(scope, begun)
        resume(Effect.succeed(steps.show(begun)))
      }

      const beginWith = (taken: Memory) =>
        Effect.suspend(() => {
          if (isGivenUp || host.isClosed) return Effect.andThen(steps.putBack(taken), resumeClosed)
          memory = taken
          actor = steps.begin(taken)
          look(actor)
          return Effect.void
        })
      const resumeClosed = Effect.sync(() => resume(closed))
      const start = Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(
          Effect.onInterrupt(restore(Effect.andThen(host.mayBegin, steps.take)), () => resumeClosed),
          beginWith
        )
      )

      if (host.isClosed || scope.state._tag === "Closed")
        return resume(host.isClosed ? closed : Effect.interrupt)
      const starting = host.branch.fork(start, (cause) => resume(Effect.die(Cause.squash(cause))))
      return Effect.suspend(() => {
        isGivenUp = true
        unlisten?.()
        if (actor === undefined) return starting.close
        if (owned !== undefined) return Scope.close(owned, Exit.interrupt())
        return actor.giveUp() ? Effect.void : steps.putBack(memory!)
      })
    })
  )
