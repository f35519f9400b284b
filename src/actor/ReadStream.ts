import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import { invalidOption, type QuicError, quicError, StreamClosed, StreamReset } from "../QuicError.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import type { StreamActor } from "./StreamActor.ts"

/**
 * Reads the next bytes of a stream: what `QuicStream.read` returns. A class, not closures: each parked handler keeps one
 * to go on with.
 */
export class ReadStream extends Effectable.Class<Uint8Array | undefined, QuicError> {
  private readonly actor: ConnectionActor
  private readonly own: StreamActor
  private readonly max: number

  constructor(actor: ConnectionActor, own: StreamActor, max: number) {
    super()
    this.actor = actor
    this.own = own
    this.max = max
  }

  asEffect(): Effect.Effect<Uint8Array | undefined, QuicError> {
    const { actor, own, max } = this
    const { streams } = actor.core
    const { id } = own
    if (!Number.isSafeInteger(max) || max < 1) return invalidMax
    // take and hand over in one step, so that no interrupt comes between
    if (streams.readableBytes(id) > 0) return Effect.sync(() => this.take())
    streams.read(id, max) // consumes the end of the stream, if reached
    return endingOf(actor, own) ?? own.readable.parkThen(this)
  }

  /** Empty if another fiber was faster. */
  private take(): Uint8Array {
    const { actor, own, max } = this
    const bytes = actor.core.streams.read(own.id, max)
    actor.touch()
    return bytes ?? new Uint8Array(0)
  }
}

/** What a reader gets when there are no more bytes; undefined while more may arrive. */
export const endingOf = (
  { core, failure }: ConnectionActor,
  { id, ended }: StreamActor
): Effect.Effect<undefined, QuicError> | undefined => {
  const state = ended?.receive ?? core.streams.receiveOutcome(id)
  switch (state._tag) {
    case "finished":
      return Effect.undefined
    case "reset":
      return Effect.fail(quicError(new StreamReset({ streamId: id, code: state.code })))
    case "stopped":
      return closed(id, "this side has stopped reading it")
    case "none":
      return closed(id, "it has no receiving side")
    case "closed":
      return closed(id, "it has ended")
    case "open":
      return failure
  }
}

const invalidMax = invalidOption("max", "an integer from 1 to 2^53-1")

const closed = (streamId: number, problem: string): Effect.Effect<never, QuicError> =>
  Effect.fail(quicError(new StreamClosed({ streamId, problem })))
