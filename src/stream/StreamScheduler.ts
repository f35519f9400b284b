import { type Turn, TurnRing } from "./TurnRing.ts"

interface PriorityLevel<Owner> {
  readonly priority: number
  readonly ring: TurnRing<Owner>
}

/** Strict priorities; round robin among equals. RFC 9000 §2.3 #S1 */
export class StreamScheduler<Owner> {
  size = 0
  /** Highest first; no level is empty, except the last one left. */
  private readonly levels: Array<PriorityLevel<Owner>> = []

  add(turn: Turn<Owner>, priority: number): void {
    if (turn.ring !== undefined) return
    this.ringOf(priority).add(turn)
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
    const { levels } = this
    return levels.length === 0 ? undefined : levels[0].ring.head
  }

  /** The priority of `head`; −Infinity when there is none. */
  get priority(): number {
    return this.size === 0 ? Number.NEGATIVE_INFINITY : this.levels[0].priority
  }

  /** The oldest entry of the lowest priority. */
  get least(): Turn<Owner> | undefined {
    const { levels } = this
    return levels.length === 0 ? undefined : levels[levels.length - 1].ring.head
  }

  /** Moves `head` behind the others of its priority. */
  rotate(): void {
    this.levels[0]?.ring.rotate()
  }

  private ringOf(priority: number): TurnRing<Owner> {
    const { levels } = this
    if (levels.length === 1 && levels[0].ring.size === 0 && levels[0].priority !== priority) levels.length = 0
    let at = 0
    while (at < levels.length && levels[at].priority > priority) at++
    if (at < levels.length && levels[at].priority === priority) return levels[at].ring
    const ring = new TurnRing<Owner>()
    levels.splice(at, 0, { priority, ring })
    return ring
  }
}
