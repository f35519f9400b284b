/**
 * Happy Eyeballs: attempts to connect to the addresses of a server, staggered; the first that succeeds wins.
 *
 * The next attempt begins when one has failed, or has not answered for a while (RFC 8305 §5). Every attempt acquires into
 * a scope of its own: also of two that succeed at the same moment only one remains.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { ConnectFailed, type QuicError, quicError } from "../QuicError.ts"
import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"

/**
 * Lets one attempt of a race complete its handshake: a server shows its application no connection before it has heard that,
 * and so none that was given up. Who comes second waits, in case the first fails after all.
 */
export class FinishLine {
  private first: object | undefined = undefined
  private readonly held = new Map<object, () => void>()

  /** False for one that has to wait; `again` is called when it is to ask again. */
  cross(who: object, again: () => void): boolean {
    this.first ??= who
    if (this.first !== who) this.held.set(who, again)
    return this.first === who
  }

  /** It has failed. */
  leave(who: object): void {
    this.held.delete(who)
    if (this.first !== who) return
    this.first = undefined
    const waiting = [...this.held.values()]
    this.held.clear()
    for (const again of waiting) again()
  }
}

/** An address in the race. */
class Entrant {
  readonly remote: SocketAddress
  readonly failed = Deferred.makeUnsafe<void>()
  scope: Scope.Closeable | undefined = undefined
  failure: QuicError | undefined = undefined

  constructor(remote: SocketAddress) {
    this.remote = remote
  }

  get problem(): string {
    if (this.failure !== undefined) return this.failure.message
    return this.scope === undefined ? "not tried in time" : "no answer in time"
  }
}

export interface RaceSettings<Connection> {
  readonly host: string
  /** Best first; not empty. */
  readonly remotes: ReadonlyArray<SocketAddress>
  /** Time an attempt has to itself. */
  readonly delayMillis: number
  /** As many begin at once. Default 1. */
  readonly together?: number
  /** All attempts together. */
  readonly timeoutMillis: number
  /** `mayFinish` says whether the handshake may be completed, and otherwise calls `again` when to ask again. */
  readonly attempt: (
    remote: SocketAddress,
    mayFinish: (again: () => void) => boolean
  ) => Effect.Effect<Connection, QuicError, Scope.Scope>
}

export const raceAddresses = <Connection>(
  settings: RaceSettings<Connection>
): Effect.Effect<Connection, QuicError, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (outer) =>
    Effect.suspend(() => {
      const entrants = settings.remotes.map((remote) => new Entrant(remote))
      const closeAllBut = (winner: Scope.Scope | undefined, exit: Exit.Exit<unknown, unknown>) =>
        Effect.forEach(
          entrants.filter(({ scope }) => scope !== winner),
          ({ scope }) => (scope === undefined ? Effect.void : Scope.close(scope, exit)),
          { discard: true }
        )
      return staggered(settings, entrants, outer).pipe(
        Effect.timeoutOrElse({
          duration: settings.timeoutMillis,
          orElse: () => Effect.fail(failureOf(settings.host, entrants, true))
        }),
        Effect.mapError((error) =>
          error.reason._tag === "ConnectFailed" ? error : failureOf(settings.host, entrants, false)
        ),
        Effect.tapError((error) => closeAllBut(undefined, Exit.fail(error))),
        Effect.flatMap(({ connection, scope }) => Effect.as(closeAllBut(scope, Exit.interrupt()), connection))
      )
    })
  )

const staggered = <Connection>(
  { attempt, delayMillis, together = 1 }: RaceSettings<Connection>,
  entrants: ReadonlyArray<Entrant>,
  outer: Scope.Scope
) => {
  const line = new FinishLine()
  const from = (index: number): Effect.Effect<{ connection: Connection; scope: Scope.Scope }, QuicError> => {
    const entrant = entrants[index]
    const mine = Effect.suspend(() => {
      const scope = Scope.forkUnsafe(outer)
      entrant.scope = scope
      const tried = attempt(entrant.remote, (again) => line.cross(entrant, again))
      return Effect.map(Scope.provide(tried, scope), (connection) => ({
        connection,
        scope
      }))
    }).pipe(
      Effect.tapError((failure) => {
        entrant.failure = failure
        line.leave(entrant)
        return Deferred.succeed(entrant.failed, undefined)
      })
    )
    if (index + 1 === entrants.length) return mine
    const turn =
      index + 1 < together
        ? Effect.void
        : Effect.raceFirst(Effect.sleep(delayMillis), Deferred.await(entrant.failed))
    return Effect.race(
      mine,
      Effect.andThen(
        turn,
        Effect.suspend(() => from(index + 1))
      )
    )
  }
  return from(0)
}

/** One address has the reason it failed for; several have one error with all of them. */
const failureOf = (host: string, entrants: ReadonlyArray<Entrant>, isLate: boolean): QuicError => {
  const closed = entrants.find(({ failure }) => failure?.reason._tag === "EndpointClosed")
  const only = closed ?? (entrants.length === 1 && !isLate ? entrants[0] : undefined)
  if (only?.failure !== undefined) return only.failure
  const attempts = entrants.map(({ remote, problem }) => ({ address: formatAddress(remote), problem }))
  return quicError(new ConnectFailed({ host, attempts }))
}
