import { everything, type HintFilter } from "../path/PathFilter.ts"
import { ANY_PATH, type PathHint } from "../path/pathHint.ts"
import { type Turn, TurnRing } from "./TurnRing.ts"

/** What is alike to a packet: of the same priority, and for the same paths. */
interface Level<Owner> {
  readonly priority: number
  readonly hint: PathHint
  readonly ring: TurnRing<Owner>
  /** Turns since it came before others of its priority. */
  turns: number
}

/**
 * Strict priorities; round robin among equals. RFC 9000 §2.3 #S1
 *
 * An entry whose hint the filter does not admit now is passed over, and holds up no other: `head` and `priority` are
 * about the rest.
 */
export class StreamScheduler<Owner> {
  size = 0
  private readonly filter: HintFilter
  /** Highest first; none is empty, except the last one left. */
  private levels: Array<Level<Owner>> = none

  constructor(filter: HintFilter = everything) {
    this.filter = filter
  }

  add(turn: Turn<Owner>, priority: number, hint: PathHint = ANY_PATH): void {
    if (turn.ring !== undefined) return
    this.ringOf(priority, hint).add(turn)
    this.size++
  }

  remove(turn: Turn<Owner> | undefined): void {
    const ring = turn?.ring
    if (ring === undefined) return
    ring.remove(turn)
    this.size--
    if (ring.size > 0 || this.levels.length === 1) return
    this.levels.splice(
      this.levels.findIndex((level) => level.ring === ring),
      1
    )
  }

  /** `turn` gets its turn when `other`, which is taken out, would have had it. */
  replace(other: Turn<Owner>, turn: Turn<Owner>): void {
    other.ring?.replace(other, turn)
  }

  /** The entry whose turn it is. */
  get head(): Turn<Owner> | undefined {
    return this.current?.ring.head
  }

  /** The priority of `head`; −Infinity when there is none. */
  get priority(): number {
    const { current } = this
    return current === undefined ? Number.NEGATIVE_INFINITY : current.priority
  }

  /** The oldest entry of the lowest priority. */
  get least(): Turn<Owner> | undefined {
    const { levels } = this
    return levels.length === 0 ? undefined : levels[levels.length - 1].ring.head
  }

  /** Moves `head` behind the others of its priority. */
  rotate(): void {
    const { current } = this
    if (current === undefined) return
    current.ring.rotate()
    if (++current.turns >= current.ring.size) this.yieldTo(current)
  }

  /** The level of the highest priority that the filter admits. */
  private get current(): Level<Owner> | undefined {
    if (this.size === 0) return undefined
    const { levels, filter } = this
    for (let i = 0; i < levels.length; i++) if (filter.admits(levels[i].hint)) return levels[i]
    return undefined
  }

  /** All of `level` have had a turn: others of its priority, with other hints, come first. */
  private yieldTo(level: Level<Owner>): void {
    const { levels } = this
    level.turns = 0
    for (let at = levels.indexOf(level); levels[at + 1]?.priority === level.priority; at++) {
      levels[at] = levels[at + 1]
      levels[at + 1] = level
    }
  }

  private ringOf(priority: number, hint: PathHint): TurnRing<Owner> {
    let { levels } = this
    if (levels.length === 1 && levels[0].ring.size === 0) {
      if (levels[0].priority === priority && levels[0].hint === hint) return levels[0].ring
      levels = none
    }
    let at = 0
    while (at < levels.length && levels[at].priority > priority) at++
    for (; at < levels.length && levels[at].priority === priority; at++)
      if (levels[at].hint === hint) return levels[at].ring
    const ring = new TurnRing<Owner>()
    // not `splice`, which would reserve slots for more than there ever are
    this.levels = levels.toSpliced(at, 0, { priority, hint, ring, turns: 0 })
    return ring
  }
}

/** Nothing is ever put into it. */
const none: Array<never> = []
