/**
 * An attempt to connect: takes the stored ticket and token, starts a connection, and waits until it is usable.
 *
 * It is one operation to its caller, and everything it creates belongs to the endpoint's tree from the start. An
 * interrupt thus either comes too late, when the caller has the connection, or finds an owner that closes it; a ticket
 * that was never sent is put back into the store.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { EndpointClosed, type QuicError, quicError } from "../QuicError.ts"
import { own } from "./acquire.ts"
import type { Branch } from "./Branch.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { endConnection } from "./endConnection.ts"
import { connectionNamer } from "./spans.ts"

export interface AttemptSteps<Memory, Connection> {
  /** The parent of the fiber that reads the store. */
  readonly host: {
    readonly branch: Branch
    readonly isClosed: boolean
    /** Waits until another handshake may start. */
    readonly mayBegin: Effect.Effect<void>
  }
  readonly take: Effect.Effect<Memory>
  readonly putBack: (memory: Memory) => Effect.Effect<void>
  readonly begin: (memory: Memory) => ConnectionActor
  /** Whether it may be used for 0-RTT before the handshake is complete. */
  readonly earlyData: boolean
  /** Wraps the connection for the application. */
  readonly show: (actor: ConnectionActor) => Connection
}

/** A separate function: the finalizer lives as long as the scope and must not retain the variables of `attempt`. */
const ownConnection = (scope: Scope.Scope, actor: ConnectionActor): Scope.Closeable => {
  const owned = Scope.forkUnsafe(scope)
  own(owned, (exit) => endConnection(actor, exit))
  return owned
}

const closed = Effect.fail(quicError(new EndpointClosed()))

export const attempt = <Memory, Connection>(
  steps: AttemptSteps<Memory, Connection>
): Effect.Effect<Connection, QuicError, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) =>
    Effect.callback((resume) => {
      const { host } = steps
      const scope = Context.get(context, Scope.Scope)
      const nameConnection = connectionNamer(context)
      let isGivenUp = false
      let memory: Memory | undefined
      let actor: ConnectionActor | undefined
      let owned: Scope.Closeable | undefined
      let unlisten: (() => void) | undefined

      const look = (begun: ConnectionActor): void => {
        nameConnection?.(begun.core)
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
