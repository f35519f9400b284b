/** Commands to a connection's core, which take effect at once or not at all. */
import * as Effect from "effect/Effect"
import type { QuicError } from "../QuicError.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"

/** Runs a command that may be refused; fails without it once the connection has ended. */
export const attempt = (
  actor: ConnectionActor,
  run: () => Effect.Effect<never, QuicError> | undefined
): Effect.Effect<void, QuicError> =>
  Effect.suspend(() => {
    if (actor.failure !== undefined) return actor.failure
    const refusal = run()
    actor.touch()
    return refusal ?? Effect.void
  })

/** Runs a command that always takes effect. */
export const command = (actor: ConnectionActor, run: () => void): Effect.Effect<void, QuicError> =>
  attempt(actor, () => {
    run()
    return undefined
  })
