/** How connections are closed: by request, or with the scope they live in. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ConnectionActor } from "./ConnectionActor.ts"

/** The application error code when the scope of a connection fails. */
const FAILED = 1

/**
 * Delivers written data, for at most `closeTimeoutMillis`, then closes; interruption closes it at once.
 */
export const closeDelivered = (actor: ConnectionActor, code: number, reason: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const close = (): void => actor.close(code, reason)
    if (isOverOrDelivered(actor)) {
      close()
      return Effect.void
    }
    const { closeTimeoutMillis } = actor.core.config.transport
    return Effect.asVoid(
      Effect.ensuring(Effect.timeoutOption(untilDelivered(actor), closeTimeoutMillis), Effect.sync(close))
    )
  })

/** Waits until the peer has acknowledged all written data, or the connection has ended. */
const untilDelivered = (actor: ConnectionActor): Effect.Effect<void> =>
  Effect.suspend(() =>
    isOverOrDelivered(actor) ? Effect.void : actor.signals.driven.parkThen(untilDelivered(actor))
  )

const isOverOrDelivered = ({ core, failure, isUsable }: ConnectionActor): boolean =>
  failure !== undefined || (!core.streams.hasUndelivered && (core.hasFinished || !isUsable))

/** Closes a connection when its scope ends: gracefully on success, otherwise at once. */
export const endConnection = (
  actor: ConnectionActor,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<void> => {
  if (Exit.isSuccess(exit)) return closeDelivered(actor, 0, "")
  const { cause } = exit
  return Effect.sync(() => {
    if (Cause.hasDies(cause)) actor.crash("a handler died")
    else if (Cause.hasInterruptsOnly(cause)) actor.close(0, "interrupted")
    else actor.close(FAILED, "failed")
  })
}
