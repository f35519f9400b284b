/**
 * The streams of one connection that are in use, and who gets those that the peer opens.
 *
 * An incoming stream goes to the first claim that takes it. What no claim takes waits to be accepted, or for a claim
 * that is made later: nothing the peer opened is lost, and flow control limits how much can wait (RFC 9000 §4.6).
 */
import { Fifo } from "../internal/Fifo.ts"
import { isUnidirectional } from "../stream/StreamId.ts"
import type { StreamSet } from "../stream/StreamSet.ts"
import { StreamActor } from "./StreamActor.ts"

/** Takes incoming streams, in preference to `accept`: `serveStreams`, or a protocol that knows its own streams. */
export interface StreamClaim {
  /**
   * Takes the stream, answering for it from this call on, or returns false to leave it to the next claim. Called once
   * for each stream, outside the core.
   */
  readonly offer: (id: number) => boolean
}

export class StreamRouter {
  private readonly core: StreamSet
  private readonly now: () => number
  /** None before the first: most connections of a crowd have no stream. */
  private actors: Map<number, StreamActor> | undefined = undefined
  /** In the order they were made. */
  private claims: ReadonlyArray<StreamClaim> = noClaims
  private readonly unclaimedBidirectional = new Fifo<number>()
  private readonly unclaimedUnidirectional = new Fifo<number>()

  constructor(core: StreamSet, now: () => number) {
    this.core = core
    this.now = now
  }

  /** The actor of a stream that the application is about to use. */
  use(id: number): StreamActor {
    const actors = (this.actors ??= new Map())
    let actor = actors.get(id)
    if (actor === undefined) actors.set(id, (actor = new StreamActor(id, this.now())))
    return actor
  }

  /** Undefined for a stream that the application has not used, or that is closed. */
  find(id: number): StreamActor | undefined {
    return this.actors?.get(id)
  }

  /** Offers `claim` the streams that wait, and those that follow until the returned function is called. */
  claim(claim: StreamClaim): () => void {
    this.claims = [...this.claims, claim]
    this.offerAll(this.unclaimedBidirectional, claim)
    this.offerAll(this.unclaimedUnidirectional, claim)
    return () => {
      this.claims = this.claims.filter((other) => other !== claim)
    }
  }

  /** Streams that no claim has taken: whoever shifts one off has accepted it. */
  unclaimed(unidirectional: boolean): Fifo<number> {
    return unidirectional ? this.unclaimedUnidirectional : this.unclaimedBidirectional
  }

  /** Hands out the streams that the peer has opened, those that go both ways first; returns whether there were any. */
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

  /** Wakes whoever waits for a stream that has changed, and lets go of those that are closed. */
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
      // a handler that has begun may have accepted others
      if (id === undefined) return
      if (!claim.offer(id)) ids.push(id)
    }
  }
}

const noClaims: ReadonlyArray<StreamClaim> = []
