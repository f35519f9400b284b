/** What is shown of a connection's traversal, and which of its changes are remembered. */
import type { PacketObserver } from "../connection/PacketObserver.ts"
import type { Candidate } from "../nat/candidates.ts"
import type { CandidatePair } from "../nat/CandidatePairs.ts"
import type { TraversalCounts } from "../nat/PhaseLog.ts"
import type { ProbeCounters } from "../nat/ProbeBudget.ts"
import type { Phase, PhaseChange } from "../nat/phases.ts"
import type { TraversalTotals } from "../nat/TraversalTotals.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { Changes } from "./Changes.ts"

/** A session as it is now. */
export interface ShownSession {
  readonly phase: Phase
  /** Of the last attempt, from 1; 0 before the first. */
  readonly round: number
  readonly counts: TraversalCounts
  /** What this side names to the peer, the best first. */
  readonly named: ReadonlyArray<SocketAddress>
  readonly remotes: { readonly all: ReadonlyArray<Candidate> }
  readonly pairs: { readonly all: ReadonlyArray<CandidatePair> }
}

/** Older changes are dropped: the peer decides how many there are. */
export const MAX_CHANGES = 64

/** A change with its place in the order of all, from 1. */
export interface NumberedChange {
  readonly number: number
  readonly change: PhaseChange
}

export class TraversalRecord {
  /** Undefined before there is one: the peer must have the extension too. */
  session: ShownSession | undefined = undefined
  probes: ProbeCounters | undefined = undefined
  /** The phase has changed. */
  readonly changes = new Changes()
  private readonly totals: TraversalTotals
  private readonly observer: PacketObserver | undefined
  private counted: TraversalCounts | undefined = undefined
  private latest: Array<NumberedChange> = []
  private count = 0

  constructor(totals: TraversalTotals, observer: PacketObserver | undefined) {
    this.totals = totals
    this.observer = observer
  }

  /** The session begins. */
  begin(session: ShownSession, probes: ProbeCounters): void {
    this.session = session
    this.probes = probes
    this.counted = session.counts
    this.changes.announce()
  }

  /** A change of the session's phase: each one, in order. */
  onChange(change: PhaseChange): void {
    const counts = this.session?.counts
    if (counts !== undefined) this.totals.add(change, this.counted ?? counts, counts)
    this.counted = counts
    this.latest.push({ number: ++this.count, change })
    if (this.latest.length > MAX_CHANGES) this.latest.shift()
    this.observer?.traversed(change)
    this.changes.announce()
  }

  get last(): PhaseChange | undefined {
    return this.latest.at(-1)?.change
  }

  /** The oldest change that is kept, of those from `number` on. */
  from(number: number): NumberedChange | undefined {
    return this.latest.find((each) => each.number >= number)
  }
}
