/** An owner's entry in a ring; it is in at most one at a time. */
export class Turn<Owner> {
  readonly owner: Owner
  ring: TurnRing<Owner> | undefined = undefined
  next: Turn<Owner> = this
  previous: Turn<Owner> = this

  constructor(owner: Owner) {
    this.owner = owner
  }
}

/** A round-robin queue. Every operation is O(1) and allocates nothing. */
export class TurnRing<Owner> {
  head: Turn<Owner> | undefined = undefined
  size = 0

  /** Appends; no-op if it is in a ring already. */
  add(turn: Turn<Owner>): void {
    if (turn.ring !== undefined) return
    turn.ring = this
    this.size++
    const { head } = this
    if (head === undefined) {
      this.head = turn
      turn.next = turn
      turn.previous = turn
      return
    }
    const last = head.previous
    last.next = turn
    turn.previous = last
    turn.next = head
    head.previous = turn
  }

  /** No-op if it is not in this ring. */
  remove(turn: Turn<Owner> | undefined): void {
    if (turn?.ring !== this) return
    turn.ring = undefined
    this.size--
    if (this.size === 0) this.head = undefined
    else {
      turn.previous.next = turn.next
      turn.next.previous = turn.previous
      if (this.head === turn) this.head = turn.next
    }
    turn.next = turn
    turn.previous = turn
  }

  /** Puts `turn`, which is in no ring, in the place of `other`. */
  replace(other: Turn<Owner>, turn: Turn<Owner>): void {
    const isHead = this.head === other
    turn.ring = this
    turn.next = other
    turn.previous = other.previous
    other.previous.next = turn
    other.previous = turn
    this.size++
    if (isHead) this.head = turn
    this.remove(other)
  }

  /** Moves the head to the end. */
  rotate(): void {
    if (this.head !== undefined) this.head = this.head.next
  }
}
