/**
 * The streams of one connection in use, and the routing of those that the peer opens.
 *
 * An incoming stream goes to the first claim that takes it. Unclaimed streams wait for `accept` or for a later claim:
 * nothing the peer opened is lost, and flow control limits how much can be queued (RFC 9000 §4.6).
 */
import { Fifo } from "../internal/Fifo.ts"
import { isUnidirectional } from "../stream/StreamId.ts"
import type { StreamSet } from "../stream/StreamSet.ts"
import { StreamActor } from "./StreamActor.ts"
import type { Tally } from "./WaitList.ts"

/**
 * Takes incoming streams with priority over `accept`: `serveStreams`, or a protocol that recognises its own streams.
 */
export interface StreamClaim {
  /**
   * Takes the stream and the responsibility for it, or returns false to leave it to the next claim. Called once per
   * stream, outside the core.
   */
  offer(id: number): boolean
}

export class StreamRouter {
  private readonly core: StreamSet
  private readonly now: () => number
  private readonly readers: Tally
  /** Created lazily: many connections have no stream. */
  private actors: Map<number, StreamActor> | undefined = undefined
  /** In order of creation. */
  private claims: ReadonlyArray<StreamClaim> = noClaims
  private readonly unclaimedBidirectional = new Fifo<number>()
  private readonly unclaimedUnidirectional = new Fifo<number>()

  /** `readers` counts the fibers that wait for bytes of any stream. */
  constructor(core: StreamSet, now: () => number, readers: Tally) {
    this.core = core
    this.now = now
    this.readers = readers
  }

  /** The actor of a stream that the application is about to use. */
  use(id: number): StreamActor {
    const actors = (this.actors ??= new Map())
    let actor = actors.get(id)
    if (actor === undefined) actors.set(id, (actor = new StreamActor(id, this.now(), this.readers)))
    return actor
  }

  /** Undefined for a stream that the application has not used, or that is closed. */
  find(id: number): StreamActor | undefined {
    return this.actors?.get(id)
  }

  /** Offers `claim` the queued streams, and later ones until the returned function is called. */
  claim(claim: StreamClaim): () => void {
    this.claims = [...this.claims, claim]
    this.offerAll(this.unclaimedBidirectional, claim)
    this.offerAll(this.unclaimedUnidirectional, claim)
    return () => {
      this.claims = this.claims.filter((other) => other !== claim)
    }
  }

  /** Streams that no claim has taken: shifting one off accepts it. */
  unclaimed(unidirectional: boolean): Fifo<number> {
    return unidirectional ? this.unclaimedUnidirectional : this.unclaimedBidirectional
  }

  /** Routes the streams that the peer has opened, bidirectional ones first; returns whether there were any. */
  routeOpened(): boolean {
    let id = this.core.pollOpened()
    if (id < 0) return false
    const unidirectional: Array<number> = []
    for (; id >= 0; id = this.core.pollOpened())
      if (isUnidirectional(id)) unidirectional.push(id)
      else this.route(id)
    for (const each of unidirectional) this.route(each)
    return true
  }

  private route(id: number): void {
    const isTaken = this.claims.some((claim) => claim.offer(id))
    if (!isTaken) this.unclaimed(isUnidirectional(id)).push(id)
  }

  /** Wakes the waiters of changed streams, and drops closed streams. */
  settle(): void {
    const { core, actors } = this
    for (let id = core.pollReadable(); id >= 0; id = core.pollReadable()) actors?.get(id)?.readable.wakeAll()
    for (let id = core.pollWritable(); id >= 0; id = core.pollWritable()) actors?.get(id)?.writable.wakeAll()
    for (let id = core.pollStopped(); id >= 0; id = core.pollStopped()) actors?.get(id)?.writable.wakeAll()
    for (let id = core.pollClosed(); id >= 0; id = core.pollClosed()) {
      const actor = actors?.get(id)
      if (actor === undefined) continue
      actor.ended = { receive: core.receiveOutcome(id), send: core.sendOutcome(id) }
      actor.wakeAll()
      actors?.delete(id)
    }
  }

  /** Fibers that wait for one of the streams. */
  get waiting(): number {
    let count = 0
    for (const actor of this.actors?.values() ?? []) count += actor.waiting
    return count
  }

  wakeAll(): void {
    for (const actor of this.actors?.values() ?? []) actor.wakeAll()
  }

  private offerAll(ids: Fifo<number>, claim: StreamClaim): void {
    for (let left = ids.length; left > 0; left--) {
      const id = ids.shift()
      // a handler that was just started may have accepted others
      if (id === undefined) return
      if (!claim.offer(id)) ids.push(id)
    }
  }
}

const noClaims: ReadonlyArray<StreamClaim> = []
