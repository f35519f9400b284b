/** The claims of a peer, made again on each of its connections, one after the other. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PeerActor } from "./actor/PeerActor.ts"
import { ambiguousPreamble, areAmbiguous } from "./actor/PreambleClaims.ts"
import { WaitList } from "./actor/WaitList.ts"
import type { Refusal } from "./arguments.ts"
import { acquireClaim, type Begun, type Serve, Serving } from "./claims.ts"
import { receiveRefusal } from "./connectionDatagrams.ts"
import {
  claimedQueue,
  DatagramClaim,
  type DatagramClaimOptions,
  type DatagramPort,
  takenPrefix
} from "./DatagramClaim.ts"
import type { QuicConnection } from "./QuicConnection.ts"
import type { QuicError } from "./QuicError.ts"

/**
 * Fibers that wait for something of whichever connection a peer has. They wait on the connection itself, too, so that it
 * knows that it is waited on: see `keepAliveInterval`.
 */
class PeerWaitList extends WaitList {
  private readonly actor: PeerActor<QuicConnection>

  constructor(actor: PeerActor<QuicConnection>) {
    super()
    this.actor = actor
  }

  override parkThen<A, E>(next: Effect.Effect<A, E>, onParked?: () => void): Effect.Effect<A, E> {
    return Effect.callback<A, E>((resume) => {
      const unlisten = this.listen(() => resume(next))
      onParked?.()
      return Effect.sync(unlisten)
    })
  }

  override listen(wake: () => void): () => void {
    const { actor } = this
    const connection = actor.current(false)?.actor.signals.changed
    const lists = [actor.replaced, ...(connection === undefined ? [] : [connection])]
    const unlisten = (): void => {
      for (const leave of leaves) leave()
    }
    const leaves = lists.map((list) =>
      list.listen(() => {
        unlisten()
        wake()
      })
    )
    return unlisten
  }
}

/** Another connection may come after one that has ended, but with the same options. */
const refusedBy = (connection: QuicConnection | undefined): Refusal =>
  connection === undefined || connection.actor.failure !== undefined
    ? undefined
    : receiveRefusal(connection.actor)

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
    return Effect.flatMap(Effect.context<R>(), (context) => {
      const serving = new Serving(context)
      const begin = (): Begun => {
        if ([...preambles].some((other) => areAmbiguous(other, preamble)))
          return { refusal: ambiguousPreamble }
        preambles.add(preamble)
        const forget = () => preambles.delete(preamble)
        return this.onEach((connection) => serving.begin(serve(connection)), forget, serving.end)
      }
      return acquireClaim(begin, undefined)
    })
  }

  claimDatagrams(
    prefix: number,
    options: DatagramClaimOptions | undefined
  ): Effect.Effect<DatagramClaim, QuicError, Scope.Scope> {
    const { actor, prefixes } = this
    const queue = claimedQueue(options, actor.replaced)
    const port: DatagramPort = {
      actor: (early) => Effect.map(actor.connection(early), (connection) => connection.actor),
      refusal: () => actor.refusal ?? refusedBy(actor.current(true)),
      changed: new PeerWaitList(actor)
    }
    const begin = (): Begun => {
      if (prefixes.has(prefix)) return { refusal: takenPrefix }
      prefixes.add(prefix)
      let release: (() => void) | undefined
      const forget = () => {
        prefixes.delete(prefix)
        release?.()
      }
      return this.onEach(({ actor: { core } }) => {
        release = core.datagrams.claim(prefix, queue)
        core.datagrams.announce()
        return release === undefined ? takenPrefix : undefined
      }, forget)
    }
    return acquireClaim(begin, new DatagramClaim(prefix, port, queue))
  }

  /** Claims on the current connection, which may refuse it, and on each that follows. */
  private onEach(
    claim: (connection: QuicConnection) => Refusal,
    forget: () => void,
    end: Effect.Effect<void> = Effect.void
  ): Begun {
    const { actor } = this
    let refusal: Refusal = actor.refusal
    const detach = actor.attach((connection) => {
      refusal = claim(connection)
    })
    const release = (): void => {
      detach()
      forget()
    }
    if (refusal === undefined) return { release: Effect.andThen(Effect.sync(release), end) }
    release()
    return { refusal }
  }
}
