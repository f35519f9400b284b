/** A message as a stream of its own: reliable, and in no order with others. */
import * as Effect from "effect/Effect"
import type { PathHint } from "../path/pathHint.ts"
import type { QuicError } from "../QuicError.ts"
import { acquire, type Source } from "./acquire.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { awaitStream } from "./streamSources.ts"

/** How a message is to be sent. */
export interface MessageIntent {
  readonly priority: number
  readonly hint: PathHint
}

/** Sends `bytes`, which are not copied, as soon as the peer's limit allows a stream; interrupted, all of them or none. */
export const sendMessage = (
  actor: ConnectionActor,
  bytes: Uint8Array,
  { priority, hint }: MessageIntent
): Effect.Effect<void, QuicError> => {
  const { streams } = actor.core
  const source: Source<true, QuicError> = {
    ...awaitStream(actor, true),
    // in one step with opening it: the peer never sees half a message
    take: () => {
      const id = streams.open(true)
      if (id < 0) return undefined
      streams.setPriority(id, priority)
      streams.setHint(id, hint)
      if (bytes.length > 0) streams.writeWhole(id, bytes)
      streams.finish(id)
      actor.touch()
      return true
    }
  }
  // the scope only tells when to stop waiting: nothing is left to release
  return Effect.asVoid(
    Effect.scoped(
      acquire(
        source,
        () => Effect.void,
        (sent) => sent
      )
    )
  )
}
