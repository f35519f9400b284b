/** Half of the rows are the first ones, half the last: how it began, and how it ended. */
export const MAX_ROWS = 20_000

/**
 * - `sent`, `received`, `dropped`: a packet
 * - `event`: anything else that happened to the connection
 */
export type RowKind = "sent" | "received" | "dropped" | "event"

/** A line of the sequence diagram. */
export interface Row {
  /** Milliseconds. */
  readonly time: number
  readonly kind: RowKind
  readonly path: number
  readonly title: string
  readonly bytes: number
  readonly text: string
  /** When it was found to be lost; undefined if it was not. */
  lostAt: number | undefined
}

/** The rows that are shown, and the sent packets among them that can still be found lost. */
export class Rows {
  /** Rows between the first and the last ones, which are not kept. */
  omitted = 0
  private readonly head: Array<Row> = []
  private readonly tail: Array<Row> = []
  private readonly tailKeys: Array<string | undefined> = []
  /** Where the oldest of the last rows is. */
  private next = 0
  private readonly sent = new Map<string, Row>()

  /** `key` names a sent packet. */
  add(row: Row, key?: string): void {
    if (key !== undefined) this.sent.set(key, row)
    if (this.head.length < MAX_ROWS / 2) return void this.head.push(row)
    if (this.tail.length === MAX_ROWS / 2) {
      this.forget(this.tailKeys[this.next], this.tail[this.next])
      this.omitted++
    }
    this.tail[this.next] = row
    this.tailKeys[this.next] = key
    this.next = (this.next + 1) % (MAX_ROWS / 2)
  }

  lost(key: string, time: number): void {
    const row = this.sent.get(key)
    if (row !== undefined) row.lostAt = time
  }

  /** How many sent packets can still be found lost. */
  get watched(): number {
    return this.sent.size
  }

  /** In order; `omitted` are missing behind the first `MAX_ROWS / 2`. */
  all(): ReadonlyArray<Row> {
    return [...this.head, ...this.tail.slice(this.next), ...this.tail.slice(0, this.next)]
  }

  private forget(key: string | undefined, row: Row): void {
    if (key !== undefined && this.sent.get(key) === row) this.sent.delete(key)
  }
}
