/**
 * The streams of one connection in use, and the routing of those that the peer opens.
 *
 * An incoming stream goes to the first claim that takes it; those that know their streams by a preamble come before
 * `serveStreams`, which takes any. Unclaimed streams wait for `accept` or for a later claim: nothing the peer opened is
 * lost, and flow control limits how much can be queued (RFC 9000 §4.6).
 */
import { Fifo } from "../internal/Fifo.ts"
import { isUnidirectional } from "../stream/StreamId.ts"
import type { StreamSet } from "../stream/StreamSet.ts"
import { type ClaimHost, PreambleClaims } from "./PreambleClaims.ts"
import { StreamActor } from "./StreamActor.ts"
import type { StreamClaim } from "./StreamClaim.ts"
import type { Tally } from "./WaitList.ts"

/** Streams whose fibers are woken or started in one round of the loop: what they write is sent before the next ones run. */
export const WAKES = 32

/** What claims by preamble need of their connection. */
type ClaimSurroundings = Pick<ClaimHost, "touch" | "wake" | "fork">

export class StreamRouter {
  private readonly core: StreamSet
  private readonly now: () => number
  private readonly readers: Tally
  /** Created lazily: many connections have no stream. */
  private actors: Map<number, StreamActor> | undefined = undefined
  /** Created by the first claim with a preamble. */
  private preambles: PreambleClaims | undefined = undefined
  /** In order of creation. */
  private claims: ReadonlyArray<StreamClaim> = noClaims
  private readonly unclaimedBidirectional = new Fifo<number>()
  private readonly unclaimedUnidirectional = new Fifo<number>()
  /** Whether the application has ever accepted bidirectional streams (1), unidirectional ones (2). */
  private accepts = 0

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

  /**
   * Offers `claim` the streams that begin with `preamble`, queued ones and later ones, until the returned function is called.
   * Returns undefined if another claim's streams could begin so.
   */
  claimPreamble(preamble: Uint8Array, claim: StreamClaim, host: ClaimSurroundings): (() => void) | undefined {
    const preambles = (this.preambles ??= new PreambleClaims(this.claimHost(host)))
    if (preambles.conflictsWith(preamble)) return undefined
    const release = preambles.add(preamble, claim)
    this.offerAll(this.unclaimedBidirectional, preambles)
    this.offerAll(this.unclaimedUnidirectional, preambles)
    return release
  }

  private claimHost(surroundings: ClaimSurroundings): ClaimHost {
    return {
      core: this.core,
      listen: (id, wake) => this.use(id).readable.listen(wake),
      pass: (id) => this.pass(id),
      withdraw: (ids) => this.withdraw(ids),
      ...surroundings
    }
  }

  /**
   * Offers `claim` the queued streams, and later ones until the returned function is called. `unidirectional` is the kind it
   * takes, if it does not take both.
   */
  claim(claim: StreamClaim, unidirectional?: boolean): () => void {
    if (unidirectional !== true) this.onAccepting(false)
    if (unidirectional !== false) this.onAccepting(true)
    this.claims = this.claims.concat(claim)
    this.offerAll(this.unclaimedBidirectional, claim)
    this.offerAll(this.unclaimedUnidirectional, claim)
    return () => {
      this.claims = this.claims.filter((other) => other !== claim)
    }
  }

  /** The application accepts streams of that kind. */
  onAccepting(unidirectional: boolean): void {
    this.accepts |= unidirectional ? 2 : 1
  }

  private isAccepting(unidirectional: boolean): boolean {
    return (this.accepts & (unidirectional ? 2 : 1)) !== 0
  }

  /** Streams that no claim has taken: shifting one off accepts it. */
  unclaimed(unidirectional: boolean): Fifo<number> {
    return unidirectional ? this.unclaimedUnidirectional : this.unclaimedBidirectional
  }

  /** Routes some of the streams that the peer has opened, bidirectional ones first; returns how many. */
  routeOpened(most: number): number {
    let routed = 0
    let unidirectional: Array<number> | undefined
    for (let id = -1; routed < most && (id = this.core.pollOpened()) >= 0; routed++)
      if (isUnidirectional(id)) (unidirectional ??= []).push(id)
      else this.route(id)
    for (const each of unidirectional ?? []) this.route(each)
    return routed
  }

  private route(id: number): void {
    if (this.preambles?.offer(id) !== true) this.pass(id)
  }

  /** No preamble claims the stream. */
  private pass(id: number): void {
    if (this.claims.some((claim) => claim.offer(id))) return
    const unidirectional = isUnidirectional(id)
    if (!this.isAccepting(unidirectional) && this.preambles?.refusesUnclaimed(id) === true) return
    this.unclaimed(unidirectional).push(id)
  }

  /** Takes streams back that nobody is going to accept. */
  private withdraw(ids: ReadonlySet<number>): ReadonlyArray<number> {
    const withdrawn: Array<number> = []
    if (ids.size === 0) return withdrawn
    for (const unidirectional of [false, true]) {
      if (this.isAccepting(unidirectional)) continue
      const queue = this.unclaimed(unidirectional)
      for (let left = queue.length; left > 0; left--) {
        const id = queue.shift()!
        if (ids.has(id)) withdrawn.push(id)
        else queue.push(id)
      }
    }
    return withdrawn
  }

  /** Wakes the waiters of changed streams, at most about so many, and drops closed streams; returns how many are left to it. */
  settle(most: number): number {
    const { core, actors } = this
    let id = -1
    let left = most
    for (; left > 0 && (id = core.pollReadable()) >= 0; left--) actors?.get(id)?.readable.wakeAll()
    for (; left > 0 && (id = core.pollWritable()) >= 0; left--) actors?.get(id)?.wakeWriters()
    for (; left > 0 && (id = core.pollStopped()) >= 0; left--) actors?.get(id)?.wakeWriters()
    if (left > 0) this.dropClosed()
    return left
  }

  private dropClosed(): void {
    const { core, actors } = this
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
