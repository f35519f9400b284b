/** Claims that last as long as a scope: on a connection, or on those of a peer one after the other. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { PeerActor, PeerConnection } from "./actor/PeerActor.ts"
import type { Refusal } from "./arguments.ts"
import { ambiguousPreamble, areAmbiguous } from "./actor/PreambleClaims.ts"
import type { QuicError } from "./QuicError.ts"

/** What serves a claim: it claims in its first step, or fails in it. */
type Serve<R> = Effect.Effect<void, QuicError, R>

/** Runs what serves claims until the scope ends, which interrupts it and waits for it. */
const runner = <R>() => FiberSet.makeRuntime<R, void, QuicError>()

/** What has prevented the claim in its first step. */
const refusalOf = (fiber: Fiber.Fiber<void, QuicError>): Refusal => {
  const exit = fiber.pollUnsafe()
  return exit !== undefined && Exit.isFailure(exit) ? Effect.failCause(exit.cause) : undefined
}

/** Fails with what prevents the claim, at once. */
export const claimWhile = <R>(serve: Serve<R>): Effect.Effect<void, QuicError, R | Scope.Scope> =>
  Effect.flatMap(runner<R>(), (run) => refusalOf(run(serve)) ?? Effect.void)

/** The claims of a peer. */
export class PeerClaims<Connection extends PeerConnection> {
  private readonly actor: PeerActor<Connection>
  private readonly preambles = new Set<Uint8Array>()

  constructor(actor: PeerActor<Connection>) {
    this.actor = actor
  }

  claim<R>(
    preamble: Uint8Array,
    serve: (connection: Connection, preamble: Uint8Array) => Serve<R>
  ): Effect.Effect<void, QuicError, R | Scope.Scope> {
    const { actor, preambles } = this
    const claimed = (
      run: (serve: Serve<R>) => Fiber.Fiber<void, QuicError>
    ): Effect.Effect<() => void, QuicError> =>
      Effect.suspend(() => {
        if (actor.refusal !== undefined) return actor.refusal
        if ([...preambles].some((other) => areAmbiguous(other, preamble))) return ambiguousPreamble
        let refusal = undefined as Refusal
        const detach = actor.attach((connection) => {
          refusal = refusalOf(run(serve(connection, preamble)))
        })
        if (refusal !== undefined) {
          detach()
          return refusal
        }
        preambles.add(preamble)
        return Effect.succeed(() => {
          detach()
          preambles.delete(preamble)
        })
      })
    return Effect.flatMap(runner<R>(), (run) =>
      Effect.acquireRelease(claimed(run), (release) => Effect.sync(release))
    ).pipe(Effect.asVoid)
  }
}
