/** Established incoming connections waiting to be accepted. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Fifo } from "../internal/Fifo.ts"
import { EndpointClosed, invalidOption, type QuicError, quicError } from "../QuicError.ts"
import { acquire } from "./acquire.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { endConnection } from "./endConnection.ts"
import { WaitList } from "./WaitList.ts"

const noServer = invalidOption("server", "this endpoint accepts no connections: it was made without `server`")
const closed = Effect.fail(quicError(new EndpointClosed()))

export class AcceptQueue {
  /** A connection arrived, or none will any more. */
  readonly changed = new WaitList()
  private readonly waiting = new Fifo<ConnectionActor>()
  private readonly limit: number
  private readonly isServer: boolean
  /** No connection is added any more; those that are being served still are. */
  isDraining = false
  private isClosed = false

  /** Once `limit` connections are queued, further ones must be refused. */
  constructor(limit: number, isServer: boolean) {
    this.limit = limit
    this.isServer = isServer
  }

  get length(): number {
    return this.waiting.length
  }

  get isFull(): boolean {
    return this.isDraining || this.waiting.length >= this.limit
  }

  add(actor: ConnectionActor): void {
    this.waiting.push(actor)
    this.changed.wakeAll()
  }

  take(): ConnectionActor | undefined {
    return this.waiting.shift()
  }

  /** Why no further connection will arrive; undefined while one may. */
  refusal(): Effect.Effect<never, QuicError> | undefined {
    if (this.isClosed) return closed
    return this.isServer ? undefined : noServer
  }

  /** Whoever waits for a connection gets none; the queued ones are returned. */
  drain(): ReadonlyArray<ConnectionActor> {
    const left: Array<ConnectionActor> = []
    for (let actor = this.take(); actor !== undefined; actor = this.take()) left.push(actor)
    this.isDraining = true
    this.changed.wakeAll()
    return left
  }

  close(): void {
    this.isClosed = true
    this.waiting.clear()
    this.changed.wakeAll()
  }
}

/** Accepts the next connection, which is closed with the scope. */
export const acceptConnection = <C>(
  queue: AcceptQueue,
  show: (actor: ConnectionActor) => C
): Effect.Effect<C, QuicError, Scope.Scope> =>
  acquire(
    {
      has: () => queue.length > 0,
      take: () => queue.take(),
      refusal: () => (queue.isDraining ? closed : queue.refusal()),
      changed: queue.changed
    },
    endConnection,
    show
  )
