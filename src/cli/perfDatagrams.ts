/** `perf client --datagrams`: what unreliable datagrams get through, with figures for each second. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Flag } from "effect/cli"
import type { QuicConnection } from "../QuicConnection.ts"
import { CliHost } from "./CliHost.ts"
import type { Direction } from "./perfBulk.ts"
import { datagramLimits } from "./perfDatagramFormat.ts"
import { callDatagramTest, type DatagramCounts } from "./perfDatagramProtocol.ts"
import { fail, misused } from "./report.ts"
import { formatBitRate, formatBytes, formatMillis, formatRate, parseBitRate } from "./units.ts"

const { maxBitsPerSecond, maxBytes, minBitsPerSecond, minBytes } = datagramLimits

const DEFAULT_SECONDS = 10
const DEFAULT_BITS_PER_SECOND = 1_000_000
const DEFAULT_BYTES = 1000

export const datagramFlags = {
  datagrams: Flag.Boolean("datagrams").pipe(
    Flag.withDescription(`Datagrams for --time (default: ${DEFAULT_SECONDS} s) instead of streams and calls`),
    Flag.withDefault(false)
  ),
  rate: Flag.String("rate").pipe(
    Flag.withMetavar("BITS"),
    Flag.withDescription("Bits per second (default: 1M); 0: what congestion control allows"),
    Flag.filterMap(parseBitRate, (text) => `a rate such as 10M, not "${text}"`),
    Flag.filter(
      (rate) => rate === 0 || (rate >= minBitsPerSecond && rate <= maxBitsPerSecond),
      () => `0, or ${formatBitRate(minBitsPerSecond)} to ${formatBitRate(maxBitsPerSecond)}`
    ),
    Flag.optional
  ),
  size: Flag.Int("size").pipe(
    Flag.withMetavar("BYTES"),
    Flag.withDescription(
      `Bytes of each of --datagrams, ${minBytes} to ${maxBytes} (default: ${DEFAULT_BYTES})`
    ),
    Flag.filter(
      (size) => size >= minBytes && size <= maxBytes,
      (size) => `${minBytes} to ${maxBytes} bytes, not ${size}`
    ),
    Flag.optional
  )
}

export interface DatagramFlags {
  readonly datagrams: boolean
  readonly rate: Option.Option<number>
  readonly size: Option.Option<number>
  readonly time: Option.Option<number>
  readonly streams: number
}

/** Flags that would do nothing are refused. */
export const checkDatagramFlags = ({ datagrams, rate, size, streams }: DatagramFlags) => {
  if (datagrams) return streams === 1 ? Effect.void : misused("--parallel: not with --datagrams")
  return Option.isSome(rate) || Option.isSome(size)
    ? misused("--rate and --size: only with --datagrams")
    : Effect.void
}

export interface DatagramFigures {
  readonly sent: number
  readonly received: number
  readonly lost: number
  readonly lostPercent: number
  readonly jitterMillis: number
  /** Of those received, as the rate. */
  readonly bytes: number
  readonly bitsPerSecond: number
}

export interface DatagramInterval extends DatagramFigures {
  /** Since the test began. */
  readonly startMillis: number
  readonly endMillis: number
}

const figuresOf = (
  { jitterMillis, received, sent }: Omit<DatagramCounts, "missing">,
  lost: number,
  size: number,
  millis: number
): DatagramFigures => ({
  sent,
  received,
  lost,
  lostPercent: received + lost === 0 ? 0 : Math.round((lost * 10_000) / (received + lost)) / 100,
  jitterMillis,
  bytes: received * size,
  bitsPerSecond: Math.round((received * size * 8000) / millis)
})

const describeFigures = ({ jitterMillis, lost, lostPercent, received, sent }: DatagramFigures): string =>
  `${sent} sent, ${received} received, ${lost} lost (${lostPercent}%), jitter ${formatMillis(jitterMillis)}`

const describeInterval = (direction: Direction, interval: DatagramInterval): string => {
  const { bytes, endMillis, startMillis } = interval
  const span = `${(startMillis / 1000).toFixed(1)}–${(endMillis / 1000).toFixed(1)} s`
  return `${span.padStart(13)}  ${direction}  ${formatRate(bytes, endMillis - startMillis)}  (${describeFigures(interval)})`
}

export type DatagramResult = Effect.Success<ReturnType<typeof measureDatagrams>>

export const describeDatagrams = (result: DatagramResult): string =>
  `${formatRate(result.bytes, result.millis)}  (datagrams of ${formatBytes(result.size)}: ${describeFigures(result)})`

/** A test in one direction. */
export const measureDatagrams = Effect.fnUntraced(function* (
  connection: QuicConnection,
  direction: Direction,
  flags: DatagramFlags,
  isPrinted: boolean
) {
  const { monotonicMillis } = yield* CliHost
  const size = Option.getOrElse(flags.size, () => DEFAULT_BYTES)
  const millis = Option.getOrElse(flags.time, () => DEFAULT_SECONDS) * 1000
  const targetBitsPerSecond = Option.getOrElse(flags.rate, () => DEFAULT_BITS_PER_SECOND)
  const intervals: Array<DatagramInterval> = []
  const startedAt = monotonicMillis()
  let before = { sent: 0, received: 0, lost: 0, millis: 0 }
  const onSecond = (counts: DatagramCounts) => {
    const startMillis = before.millis
    const endMillis = monotonicMillis() - startedAt
    // what was overtaken may still come: it does not count against the next second
    const lost = Math.max(0, counts.missing - before.lost)
    const { jitterMillis } = counts
    const more = {
      sent: counts.sent - before.sent,
      received: counts.received - before.received,
      jitterMillis
    }
    const interval = { startMillis, endMillis, ...figuresOf(more, lost, size, endMillis - startMillis) }
    intervals.push(interval)
    before = { sent: counts.sent, received: counts.received, lost: before.lost + lost, millis: endMillis }
    return isPrinted ? Console.log(describeInterval(direction, interval)) : Effect.void
  }
  const number = direction === "upload" ? 0 : 1
  const test = { direction, number, bytes: size, millis, bitsPerSecond: targetBitsPerSecond }
  const counts = yield* callDatagramTest(connection, test, onSecond)
  if (counts === undefined) return yield* fail(`${direction}: the server ended the test before its result`)
  const lost = Math.max(0, counts.sent - counts.received)
  return { size, millis, targetBitsPerSecond, ...figuresOf(counts, lost, size, millis), intervals }
})
