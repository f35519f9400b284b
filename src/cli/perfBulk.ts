/** Bulk transfers of `perf client`: an amount or for a time, over one stream or several, with a figure for each second. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { QuicConnection } from "../QuicConnection.ts"
import { CliHost } from "./CliHost.ts"
import { callPerf } from "./perfProtocol.ts"
import { withProgress } from "./ProgressBar.ts"
import { fail } from "./report.ts"
import { formatBytes, formatCount, formatRate } from "./units.ts"

export type Direction = "upload" | "download"

export interface Bulk {
  /** The amount, of all streams; unlimited with `seconds`. */
  readonly bytes: number
  /** Ends after that time instead. */
  readonly seconds: number | undefined
  readonly streams: number
  /** Whether intervals are printed as they pass. */
  readonly isPrinted: boolean
}

export interface Interval {
  /** Since the transfer began. */
  readonly startMillis: number
  readonly endMillis: number
  readonly bytes: number
  readonly bitsPerSecond: number
  readonly packetsLost: number
}

const packetsLost = ({ paths }: QuicConnection): number =>
  paths.reduce((sum, path) => sum + path.packetsLost, 0)

const describeInterval = (direction: Direction, interval: Interval): string => {
  const { bytes, endMillis, startMillis } = interval
  const span = `${(startMillis / 1000).toFixed(1)}–${(endMillis / 1000).toFixed(1)} s`
  const lost = direction === "upload" ? `, ${formatCount(interval.packetsLost, "packet")} lost` : ""
  return `${span.padStart(13)}  ${direction}  ${formatRate(bytes, endMillis - startMillis)}  (${formatBytes(bytes)}${lost})`
}

/** More than any connection moves, and still exact. */
const ENDLESS = 2 ** 52

/** `bytes` in as many parts, which differ by a byte at most. */
const parts = (bytes: number, count: number): ReadonlyArray<number> =>
  Array.from(
    { length: count },
    (_, i) => Math.floor((bytes * (i + 1)) / count) - Math.floor((bytes * i) / count)
  )

/** A transfer in one direction. */
export const measureBulk = Effect.fnUntraced(function* (
  connection: QuicConnection,
  direction: Direction,
  { bytes, isPrinted, seconds, streams }: Bulk
) {
  const { monotonicMillis } = yield* CliHost
  let moved = 0
  const count = (more: number): void => {
    moved += more
  }
  const ignored = (): void => {}
  const lostBefore = packetsLost(connection)
  const intervals: Array<Interval> = []
  const startedAt = monotonicMillis()
  const progress = {
    label: direction,
    done: () => moved,
    total: () => (seconds === undefined ? bytes : undefined)
  }
  const one = (part: number) =>
    direction === "upload"
      ? callPerf(connection, part, 0, { onSent: count, onReceived: ignored })
      : callPerf(connection, 0, part, { onSent: ignored, onReceived: count })
  const sizes = seconds === undefined ? parts(bytes, streams) : Array<number>(streams).fill(ENDLESS)
  const transfer = Effect.forEach(sizes, one, { concurrency: "unbounded", discard: true })
  const watch = Effect.gen(function* () {
    for (let before = 0, lost = lostBefore, startMillis = 0; ; ) {
      yield* Effect.sleep(1000)
      const endMillis = monotonicMillis() - startedAt
      const interval: Interval = {
        startMillis,
        endMillis,
        bytes: moved - before,
        bitsPerSecond: Math.round(((moved - before) * 8000) / (endMillis - startMillis)),
        packetsLost: packetsLost(connection) - lost
      }
      intervals.push(interval)
      if (isPrinted) yield* Console.log(describeInterval(direction, interval))
      before += interval.bytes
      lost += interval.packetsLost
      startMillis = endMillis
    }
  })
  const limited = seconds === undefined ? transfer : Effect.timeoutOption(transfer, seconds * 1000)
  const running = Effect.raceFirst(limited, watch)
  // the lines of the seconds take the place of the bar
  yield* isPrinted ? running : withProgress(progress, running)
  const millis = monotonicMillis() - startedAt
  if (seconds === undefined && moved !== bytes) return yield* fail(`${direction}: ${moved} of ${bytes} bytes`)
  return {
    bytes: moved,
    millis,
    streams,
    bitsPerSecond: Math.round((moved * 8000) / millis),
    packetsLost: packetsLost(connection) - lostBefore,
    intervals
  }
})
