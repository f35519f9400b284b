import { StateMachine } from "../internal/TransitionTable.ts"
import { type Phase, type PhaseChange, type PhaseReason, phaseTransitions } from "./phases.ts"

/** What became of the attempts of a connection, as counted. */
export interface TraversalCounts {
  /** Rounds of punching. */
  readonly attempts: number
  /** Rounds that have led to a direct path. */
  readonly successes: number
  /** How often the connection has become direct, with or without a round. */
  readonly direct: number
  /** How often it was left to the relay. */
  readonly relayed: number
  /** Of the last round: from the exchange of candidates to the first probe. Undefined before one. */
  readonly coordinationMicros: number | undefined
  /** From the beginning to the first direct path. */
  readonly firstDirectMicros: number | undefined
}

/** Changes that nobody has polled are dropped beyond this many, the oldest first. */
const MAX_CHANGES = 64

/** The phase, how it came to it, and what is counted on the way. */
export class PhaseLog extends StateMachine<Phase> {
  private readonly changes: Array<PhaseChange> = []
  private readonly startedMicros: number
  private coordinatingSinceMicros: number
  private isRound = false
  private counted: TraversalCounts = {
    attempts: 0,
    successes: 0,
    direct: 0,
    relayed: 0,
    coordinationMicros: undefined,
    firstDirectMicros: undefined
  }

  constructor(nowMicros: number) {
    super(phaseTransitions, "Discovery")
    this.startedMicros = nowMicros
    this.coordinatingSinceMicros = nowMicros
  }

  get counts(): TraversalCounts {
    return this.counted
  }

  /** False, without a change, when the table does not allow it. */
  enter(to: Phase, reason: PhaseReason, round: number, nowMicros: number): boolean {
    const from = this.state
    if (!this.to(to)) return false
    this.count(from, to, nowMicros)
    this.changes.push({ from, to, reason, round, atMicros: nowMicros })
    if (this.changes.length > MAX_CHANGES) this.changes.shift()
    return true
  }

  poll(): PhaseChange | undefined {
    return this.changes.shift()
  }

  private count(from: Phase, to: Phase, nowMicros: number): void {
    const { counted } = this
    if (to === "Coordination" || (to === "Synchronization" && from !== "Coordination"))
      this.coordinatingSinceMicros = nowMicros
    if (to === "Synchronization") {
      this.isRound = true
      this.counted = { ...counted, attempts: counted.attempts + 1 }
    } else if (to === "Punching") {
      this.counted = { ...counted, coordinationMicros: nowMicros - this.coordinatingSinceMicros }
    } else if (to === "Connected") {
      this.counted = {
        ...counted,
        direct: counted.direct + 1,
        successes: counted.successes + (this.isRound ? 1 : 0),
        firstDirectMicros: counted.firstDirectMicros ?? nowMicros - this.startedMicros
      }
      this.isRound = false
    } else if (to === "Failed") {
      this.counted = { ...counted, relayed: counted.relayed + 1 }
      this.isRound = false
    }
  }
}
