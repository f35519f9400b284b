/** What `send` shows: who is receiving, how far it is, and who has everything. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { printable } from "../internal/printable.ts"
import type { Above } from "./picture.ts"
import { drawProgress } from "./ProgressBar.ts"
import { formatBytes, formatMillis, formatRate } from "./units.ts"

/** One connection of a receiver. */
export interface Receiver {
  readonly peer: string
  readonly startedAt: number
  sent: number
  /** What it need not fetch, as it has it from an earlier attempt. */
  kept: number
  hasAll: boolean
}

/** As many lines as are drawn; the rest is counted. */
const MOST_LINES = 8

export class SendView {
  private readonly receivers = new Set<Receiver>()
  private readonly total: number | undefined
  private readonly now: () => number
  private readonly above: Above

  /** `total` is undefined for a stream. */
  constructor(total: number | undefined, now: () => number, above: Above) {
    this.total = total
    this.now = now
    this.above = above
  }

  private say(line: string): Effect.Effect<void> {
    return this.above(Console.log(line))
  }

  joined(peer: string): Effect.Effect<Receiver> {
    const receiver = { peer, startedAt: this.now(), sent: 0, kept: 0, hasAll: false }
    this.receivers.add(receiver)
    return Effect.as(this.say(`${peer}  connected`), receiver)
  }

  hasAll(receiver: Receiver): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (receiver.hasAll) return Effect.void
      receiver.hasAll = true
      const { peer, sent, startedAt } = receiver
      const millis = this.now() - startedAt
      return this.say(
        `${peer}  has everything: ${formatBytes(sent)} sent in ${formatMillis(millis)}, ${formatRate(sent, millis)}`
      )
    })
  }

  refused({ peer }: Receiver, why: string): Effect.Effect<void> {
    return this.say(`${peer}  refused: ${why}`)
  }

  left(receiver: Receiver, problem: string | undefined): Effect.Effect<void> {
    this.receivers.delete(receiver)
    if (receiver.hasAll) return Effect.void
    const why = problem === undefined ? "" : `: ${printable(problem)}`
    return this.say(`${receiver.peer}  left after ${formatBytes(receiver.sent)}${why}`)
  }

  /** A line of at most `columns` cells for each receiver. */
  frame(columns: number): ReadonlyArray<string> {
    const busy = [...this.receivers].filter(({ hasAll }) => !hasAll)
    const lines = busy
      .slice(0, MOST_LINES)
      .map(({ kept, peer, sent, startedAt }) =>
        drawProgress(
          { label: peer, done: kept + sent, total: this.total, kept },
          this.now() - startedAt,
          columns
        )
      )
    return busy.length > MOST_LINES
      ? [...lines, `and ${busy.length - MOST_LINES} more`.slice(0, columns - 1)]
      : lines
  }
}
