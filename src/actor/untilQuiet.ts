import * as Effect from "effect/Effect"
import type { ConnectionActor } from "./ConnectionActor.ts"

/**
 * Waits until no stream has been open for `ptos` probe timeouts, or the connection has ended: what the peer sent before
 * has arrived by then.
 */
export const untilQuiet = (actor: ConnectionActor, ptos = 1): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { core, signals } = actor
    if (actor.isOver) return Effect.void
    if (!core.streams.isQuiet) return signals.driven.parkThen(untilQuiet(actor, ptos))
    return Effect.flatMap(quietUntil(actor, actor.now() + ptos * core.paths.ptoMicros), (isQuiet) =>
      isQuiet ? Effect.void : untilQuiet(actor, ptos)
    )
  })

/** Whether no stream is opened until then. */
const quietUntil = (actor: ConnectionActor, micros: number): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    if (actor.isOver) return Effect.succeed(true)
    if (!actor.core.streams.isQuiet) return Effect.succeed(false)
    const left = micros - actor.now()
    if (left <= 0) return Effect.succeed(true)
    const driven = Effect.timeoutOption(actor.signals.driven.park, left / 1000)
    return Effect.flatMap(driven, () => quietUntil(actor, micros))
  })
