/** The claims of a peer, made again on each of its connections, one after the other. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { PeerActor } from "./actor/PeerActor.ts"
import { ambiguousPreamble, areAmbiguous } from "./actor/PreambleClaims.ts"
import { WaitList } from "./actor/WaitList.ts"
import type { Refusal } from "./arguments.ts"
import { refusalOf, runner, type Serve } from "./claims.ts"
import { sendClaimed } from "./connectionDatagrams.ts"
import { claimedQueue, DatagramClaim, type DatagramClaimOptions, takenPrefix } from "./DatagramClaim.ts"
import type { QuicConnection } from "./QuicConnection.ts"
import type { QuicError } from "./QuicError.ts"

/** A claim that is in force, and how to release it. */
type Claimed = Effect.Effect<() => void, QuicError>

export class PeerClaims {
  private readonly actor: PeerActor<QuicConnection>
  private readonly preambles = new Set<Uint8Array>()
  private readonly prefixes = new Set<number>()

  constructor(actor: PeerActor<QuicConnection>) {
    this.actor = actor
  }

  claimStreams<R>(
    preamble: Uint8Array,
    serve: (connection: QuicConnection) => Serve<R>
  ): Effect.Effect<void, QuicError, R | Scope.Scope> {
    const { preambles } = this
    const claimed = (run: (serve: Serve<R>) => Fiber.Fiber<void, QuicError>): Claimed =>
      Effect.suspend(() => {
        if ([...preambles].some((other) => areAmbiguous(other, preamble))) return ambiguousPreamble
        const forget = () => preambles.delete(preamble)
        preambles.add(preamble)
        return this.onEach((connection) => refusalOf(run(serve(connection))), forget)
      })
    return Effect.flatMap(runner<R>(), (run) => whileOpen(claimed(run)))
  }

  claimDatagrams(
    prefix: number,
    options: DatagramClaimOptions | undefined
  ): Effect.Effect<DatagramClaim, QuicError, Scope.Scope> {
    const { actor, prefixes } = this
    const changed = new WaitList()
    const queue = claimedQueue(options, changed)
    let release: (() => void) | undefined
    const claimed: Claimed = Effect.suspend(() => {
      if (prefixes.has(prefix)) return takenPrefix
      prefixes.add(prefix)
      const forget = () => {
        prefixes.delete(prefix)
        release?.()
      }
      return this.onEach(({ actor: { core } }) => {
        release = core.datagrams.claim(prefix, queue)
        core.datagrams.announce()
        return release === undefined ? takenPrefix : undefined
      }, forget)
    })
    const claim = new DatagramClaim(
      prefix,
      {
        send: (...datagram) =>
          Effect.flatMap(actor.connection(false), (connection) => sendClaimed(connection.actor, ...datagram)),
        refusal: () => actor.refusal,
        changed
      },
      queue
    )
    const wakeAtEnd = Effect.map(actor.closed, () => changed.wakeAll())
    return whileOpen(claimed).pipe(Effect.andThen(Effect.forkScoped(wakeAtEnd)), Effect.as(claim))
  }

  /** Claims on the current connection, which may refuse it, and on each that follows. */
  private onEach(claim: (connection: QuicConnection) => Refusal, forget: () => void): Claimed {
    const { actor } = this
    let refusal: Refusal = actor.refusal
    const detach = actor.attach((connection) => {
      refusal = claim(connection)
    })
    const release = () => {
      detach()
      forget()
    }
    if (refusal === undefined) return Effect.succeed(release)
    release()
    return refusal
  }
}

const whileOpen = (claimed: Claimed): Effect.Effect<void, QuicError, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(claimed, (release) => Effect.sync(release)))
