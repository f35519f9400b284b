import { StateMachine } from "../internal/TransitionTable.ts"
import type { SocketNumber } from "../path/Route.ts"
import type { Role } from "../wire/Role.ts"
import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { Candidate } from "./candidates.ts"
import { type PairState, pairTransitions } from "./pairState.ts"

/** One of our sockets and the best candidate that it sends from: others of the same socket would send the same. RFC 8445 §6.1.2.4 */
export interface LocalCandidate extends Candidate {
  readonly socket: SocketNumber
}

/** Where we send from, and where to. */
export class CandidatePair extends StateMachine<PairState> {
  readonly local: LocalCandidate
  readonly remote: Candidate
  /** The highest best. */
  readonly priority: bigint
  /** Of the last answer. */
  roundTripMicros: number | undefined = undefined

  constructor(local: LocalCandidate, remote: Candidate, role: Role) {
    super(pairTransitions, "Waiting")
    this.local = local
    this.remote = remote
    this.priority =
      role === "client"
        ? pairPriority(local.priority, remote.priority)
        : pairPriority(remote.priority, local.priority)
  }

  /** It was answered, but is of no use after all. */
  giveUp(): void {
    this.to("Waiting")
    this.to("InProgress")
    this.to("Failed")
  }
}

/** `controlling` is the priority of the client's candidate, as clients choose the path. RFC 8445 §6.1.2.3 */
export const pairPriority = (controlling: number, controlled: number): bigint => {
  const [g, d] = [BigInt(controlling), BigInt(controlled)]
  return (1n << 32n) * (g < d ? g : d) + 2n * (g > d ? g : d) + (g > d ? 1n : 0n)
}

/** Pairs tried before any other. */
export const BEST_PAIRS = 8

/** Pairs of a connection. RFC 8445 §6.1.2.5 recommends a hundred; predicted ports are more. */
export const MAX_PAIRS = 256

/**
 * The pairs of a connection, the best first, without repetitions and bounded: when there are too many, the worst ones that
 * are not under way make room.
 */
export class CandidatePairs {
  private readonly role: Role
  private readonly max: number
  private readonly byKey = new Map<string, CandidatePair>()
  private ranked: Array<CandidatePair> = []

  constructor(role: Role, max = MAX_PAIRS) {
    this.role = role
    this.max = max
  }

  /** The best first. */
  get all(): ReadonlyArray<CandidatePair> {
    return this.ranked
  }

  at(remote: SocketAddress, socket: SocketNumber): CandidatePair | undefined {
    return this.byKey.get(keyOf(remote, socket))
  }

  /** Pairs a remote candidate with each of our sockets that can send there. */
  addRemote(remote: Candidate, locals: ReadonlyArray<LocalCandidate>): void {
    for (const local of locals)
      if (local.address.family === remote.address.family)
        this.add(new CandidatePair(local, remote, this.role))
  }

  /** The pair stays if it was there already, and is ranked anew if it is better now. */
  add(pair: CandidatePair): CandidatePair | undefined {
    const key = keyOf(pair.remote.address, pair.local.socket)
    const known = this.byKey.get(key)
    if (known !== undefined && known.priority >= pair.priority) return known
    if (known !== undefined) {
      pair.to(
        known.state === "InProgress" ? "InProgress" : known.state === "Succeeded" ? "Succeeded" : "Waiting"
      )
      pair.roundTripMicros = known.roundTripMicros
      this.remove(known)
    } else if (this.ranked.length >= this.max && !this.makeRoomFor(pair)) return undefined
    this.byKey.set(key, pair)
    const place = this.ranked.findIndex(({ priority }) => priority < pair.priority)
    this.ranked.splice(place < 0 ? this.ranked.length : place, 0, pair)
    return pair
  }

  /** Drops pairs whose remote address is of no use any more; those that have succeeded stay. */
  keepRemotes(isKept: (remote: SocketAddress) => boolean): void {
    for (const pair of [...this.ranked])
      if (pair.state !== "Succeeded" && !isKept(pair.remote.address)) this.remove(pair)
  }

  /** The best pairs that wait, at most `count`; those that are `preferred` while there is one. */
  nextWaiting(count: number, preferred?: (pair: CandidatePair) => boolean): ReadonlyArray<CandidatePair> {
    const waiting = this.ranked.filter(({ state }) => state === "Waiting")
    const first = preferred === undefined ? waiting : waiting.filter(preferred)
    return (first.length > 0 ? first : waiting).slice(0, count)
  }

  /** The best one that has succeeded. */
  get best(): CandidatePair | undefined {
    return this.ranked.find(({ state }) => state === "Succeeded")
  }

  /** Another round: all wait again. */
  restart(): void {
    for (const pair of this.ranked) pair.to("Waiting")
    // begun in the round before, which was cut off
    for (const pair of this.ranked)
      if (pair.state === "InProgress" && pair.to("Cancelled")) pair.to("Waiting")
  }

  /** The round is over: those that were not answered are not tried any more. */
  cancel(): void {
    for (const pair of this.ranked) pair.to("Cancelled")
  }

  count(state: PairState): number {
    return this.ranked.reduce((sum, pair) => sum + (pair.state === state ? 1 : 0), 0)
  }

  private makeRoomFor({ priority }: CandidatePair): boolean {
    for (let i = this.ranked.length - 1; i >= 0; i--) {
      const worst = this.ranked[i]
      if (worst.priority >= priority) return false
      if (worst.state === "InProgress" || worst.state === "Succeeded") continue
      this.remove(worst)
      return true
    }
    return false
  }

  private remove(pair: CandidatePair): void {
    this.byKey.delete(keyOf(pair.remote.address, pair.local.socket))
    this.ranked = this.ranked.filter((other) => other !== pair)
  }
}

const keyOf = (remote: SocketAddress, socket: SocketNumber): string => `${socket} ${formatAddress(remote)}`
