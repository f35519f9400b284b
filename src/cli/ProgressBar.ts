/** A progress bar on standard error, shown only on a terminal. */
import * as Effect from "effect/Effect"
import type * as Stdio from "effect/Stdio"
import type * as Terminal from "effect/Terminal"
import { CliHost } from "./CliHost.ts"
import { withPicture } from "./picture.ts"
import { formatBytes, formatMillis, formatRate } from "./units.ts"

export interface Progress {
  readonly label: string | (() => string)
  /** Bytes so far. */
  readonly done: () => number
  /** Total bytes, once known. */
  readonly total: () => number | undefined
  /** Bytes of `done` that were there before, and say nothing about the rate. */
  readonly kept?: () => number
}

const blocks = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

export const drawBar = (fraction: number, width: number): string => {
  const eighths = Math.round(Math.min(Math.max(fraction, 0), 1) * width * 8)
  const bar = "█".repeat(eighths >> 3) + blocks[eighths & 7]
  return bar + "░".repeat(width - Math.ceil(eighths / 8))
}

/** One line of at most `columns` cells. */
export const drawProgress = (
  {
    done,
    label,
    total,
    kept = 0
  }: {
    readonly label: string
    readonly done: number
    readonly total: number | undefined
    readonly kept?: number
  },
  elapsedMillis: number,
  columns: number
): string => {
  const moved = done - kept
  const rate = formatRate(moved, elapsedMillis)
  if (total === undefined || total === 0)
    return `${label}  ${formatBytes(done)}  ${rate}`.slice(0, columns - 1)
  const fraction = done / total
  const left = moved <= 0 ? "" : `  ${formatMillis((elapsedMillis * (total - done)) / moved)} left`
  const facts = `${(fraction * 100).toFixed(0).padStart(3)} %  ${formatBytes(done)} of ${formatBytes(total)}  ${rate}${left}`
  const room = columns - 1 - label.length - 4 - facts.length
  return room < 8
    ? `${label}  ${facts}`.slice(0, columns - 1)
    : `${label}  ${drawBar(fraction, Math.min(room, 40))}  ${facts}`
}

/** Runs `effect` with a progress bar, which is erased at the end. */
export const withProgress = Effect.fnUntraced(function* <A, E, R>(
  { done, label, total, kept = () => 0 }: Progress,
  effect: Effect.Effect<A, E, R>
): Effect.fn.Return<A, E, R | CliHost | Stdio.Stdio | Terminal.Terminal> {
  const { monotonicMillis } = yield* CliHost
  const startedAt = monotonicMillis()
  const frame = (columns: number) => [
    drawProgress(
      { label: typeof label === "string" ? label : label(), done: done(), total: total(), kept: kept() },
      monotonicMillis() - startedAt,
      columns
    )
  ]
  return yield* withPicture(frame, effect)
})
