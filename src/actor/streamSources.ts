/** Opens and accepts streams for the application, and ends them with their scope. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { QuicError } from "../QuicError.ts"
import { acquire, type Source } from "./acquire.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import type { StreamActor } from "./StreamActor.ts"

/** The code for resetting and stopping a stream whose scope failed. */
const CANCELLED = 0

/** Wraps the stream for the application. */
export type ShowStream<S> = (stream: StreamActor) => S

/** How to wait until the peer's limit allows another stream. */
export const awaitStream = (
  actor: ConnectionActor,
  unidirectional: boolean
): Omit<Source<never, QuicError>, "take"> => {
  const { streams } = actor.core
  return {
    has: () => actor.failure === undefined && streams.canOpen(unidirectional),
    refusal: () => actor.failure,
    changed: actor.signals.changed,
    ask: () => {
      const leave = streams.awaitOpen(unidirectional)
      actor.touch()
      return leave
    }
  }
}

/** Opens a stream as soon as the peer's limit allows one. */
export const openStream = <S>(
  actor: ConnectionActor,
  unidirectional: boolean,
  show: ShowStream<S>
): Effect.Effect<S, QuicError, Scope.Scope> => {
  const { streams } = actor.core
  const source: Source<StreamActor, QuicError> = {
    ...awaitStream(actor, unidirectional),
    take: () => {
      const id = streams.open(unidirectional)
      return id >= 0 ? actor.streams.use(id) : undefined
    }
  }
  return acquire(source, endWith(actor), show)
}

/** Accepts the next stream that the peer has opened and no claim has taken. */
export const acceptStream = <S>(
  actor: ConnectionActor,
  unidirectional: boolean,
  show: ShowStream<S>
): Effect.Effect<S, QuicError, Scope.Scope> => {
  const ids = actor.streams.unclaimed(unidirectional)
  const source: Source<StreamActor, QuicError> = {
    has: () => {
      actor.streams.onAccepting(unidirectional)
      return ids.length > 0
    },
    take: () => {
      const id = ids.shift()
      return id === undefined ? undefined : actor.streams.use(id)
    },
    refusal: () => actor.failure,
    changed: actor.signals.changed
  }
  return acquire(source, endWith(actor), show)
}

const endWith =
  (actor: ConnectionActor) =>
  ({ id }: StreamActor, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
    Effect.sync(() => endStream(actor, id, exit))

/** Finishes a stream whose scope ended well; resets and stops it otherwise. */
export const endStream = (actor: ConnectionActor, id: number, exit: Exit.Exit<unknown, unknown>): void => {
  const { streams } = actor.core
  // a stream the application has already reset, with its own code or with bytes to deliver, stays as it is
  if (Exit.isSuccess(exit)) streams.finish(id)
  else if (streams.sendOutcome(id)._tag !== "reset") streams.reset(id, CANCELLED)
  streams.stop(id, CANCELLED)
  actor.touch()
  actor.streams.find(id)?.readable.wakeAll()
}
