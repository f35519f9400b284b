/**
 * The datagram test of `perf`, a protocol of its own beside that of the streams. A bidirectional stream of the client
 * describes the test; the side that sends does so for that time, in datagrams that carry their number and time. Each second,
 * and at the end, the server reports what it has sent or received. The client ends an upload with how many it has sent.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import { StreamReader } from "../StreamReader.ts"

export const perfDatagramAlpn = "effect-quic/perf-datagrams/1"

/** Of both sides: all that may arrive. */
export const MAX_DATAGRAM_FRAME_BYTES = 65_535

/** What every path carries, whatever its MTU, and room for number and time. */
export const datagramLimits = {
  minBytes: 16,
  maxBytes: 1100,
  maxMillis: 86_400_000,
  minBitsPerSecond: 1000,
  maxBitsPerSecond: 100_000_000_000
}

export interface DatagramTest {
  readonly direction: "upload" | "download"
  /** Below 65,536; in each datagram, so that late ones of another test do not count. */
  readonly number: number
  /** Of each datagram. */
  readonly bytes: number
  readonly millis: number
  /** 0: as many as congestion control lets through. */
  readonly bitsPerSecond: number
}

export interface DatagramReport {
  readonly isLast: boolean
  /** Of an upload, those that must have been sent, as a later number or the client says; of a download, all. */
  readonly sent: number
  /** Of an upload. */
  readonly received: number
  /** Of an upload. */
  readonly jitterMicros: number
}

const BAD_REQUEST = 1
const BUSY = 2

const REQUEST_BYTES = 17
const REPORT_BYTES = 25
const COUNT_BYTES = 8
/** How long the other side may be silent when it is its turn. */
const PATIENCE_MILLIS = 15_000

const viewOf = ({ buffer, byteLength, byteOffset }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)

const encodeTest = (test: DatagramTest): Uint8Array => {
  const bytes = new Uint8Array(REQUEST_BYTES)
  const view = viewOf(bytes)
  view.setUint8(0, test.direction === "upload" ? 0 : 1)
  view.setUint16(1, test.number)
  view.setUint16(3, test.bytes)
  view.setUint32(5, test.millis)
  view.setBigUint64(9, BigInt(test.bitsPerSecond))
  return bytes
}

/** Undefined if a number is out of its range. */
export const decodeTest = (request: Uint8Array): DatagramTest | undefined => {
  const view = viewOf(request)
  const direction = (["upload", "download"] as const)[view.getUint8(0)]
  const bytes = view.getUint16(3)
  const millis = view.getUint32(5)
  const bitsPerSecond = Number(view.getBigUint64(9))
  const { maxBitsPerSecond, maxBytes, maxMillis, minBitsPerSecond, minBytes } = datagramLimits
  const isWithin =
    bytes >= minBytes &&
    bytes <= maxBytes &&
    millis >= 1 &&
    millis <= maxMillis &&
    (bitsPerSecond === 0 || (bitsPerSecond >= minBitsPerSecond && bitsPerSecond <= maxBitsPerSecond))
  return direction === undefined || !isWithin
    ? undefined
    : { direction, number: view.getUint16(1), bytes, millis, bitsPerSecond }
}

const encodeReport = ({ isLast, jitterMicros, received, sent }: DatagramReport): Uint8Array => {
  const bytes = new Uint8Array(REPORT_BYTES)
  const view = viewOf(bytes)
  view.setUint8(0, isLast ? 1 : 0)
  for (const [i, value] of [sent, received, Math.round(jitterMicros)].entries())
    view.setBigUint64(1 + 8 * i, BigInt(value))
  return bytes
}

const decodeReport = (bytes: Uint8Array): DatagramReport => {
  const view = viewOf(bytes)
  const [sent, received, jitterMicros] = [1, 9, 17].map((at) => Number(view.getBigUint64(at)))
  return { isLast: view.getUint8(0) === 1, sent, received, jitterMicros }
}

/** What has arrived of one test. */
export class DatagramTally {
  /** One above the highest number. */
  expected = 0
  received = 0
  /** How much the time on the way varies, smoothed; the clocks need not agree. RFC 3550 §6.4.1 */
  jitterMicros = 0
  private readonly test: DatagramTest
  private transitMicros: number | undefined = undefined

  constructor(test: DatagramTest) {
    this.test = test
  }

  take(datagram: Uint8Array, nowMicros: number): void {
    if (datagram.length !== this.test.bytes) return
    const view = viewOf(datagram)
    if (view.getUint16(0) !== this.test.number) return
    this.received++
    this.expected = Math.max(this.expected, getUint48(view, 2) + 1)
    const transit = nowMicros - getUint48(view, 8)
    if (this.transitMicros !== undefined)
      this.jitterMicros += (Math.abs(transit - this.transitMicros) - this.jitterMicros) / 16
    this.transitMicros = transit
  }
}

const getUint48 = (view: DataView, at: number): number =>
  view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2)

const setUint48 = (view: DataView, at: number, value: number): void => {
  view.setUint16(at, Math.floor(value / 2 ** 32) % 2 ** 16)
  view.setUint32(at + 2, value % 2 ** 32)
}

const nowMicrosOf = Effect.map(Clock.Clock, (clock) => () => Number(clock.currentTimeNanosUnsafe() / 1000n))

/** What may be unacknowledged, each datagram counted with what the queue adds: less than the queue holds, so that it drops none. */
const WINDOW_BYTES = 768 * 1024
const OVERHEAD_BYTES = 256
/** For the last datagrams to be acknowledged. */
const LINGER_MILLIS = 1000

/** Sends for the time of the test, and lets those on their way arrive; `counts.sent` is up to date. */
const sendAll = Effect.fnUntraced(function* (
  connection: QuicConnection,
  { bitsPerSecond, bytes, millis, number }: DatagramTest,
  counts: { sent: number }
) {
  const nowMicros = yield* nowMicrosOf
  const window = Math.floor(WINDOW_BYTES / (bytes + OVERHEAD_BYTES))
  const room = yield* Semaphore.make(window)
  const datagram = new Uint8Array(bytes)
  const view = viewOf(datagram)
  view.setUint16(0, number)
  let failure: QuicError | undefined
  const deliver = connection.deliverDatagram(datagram).pipe(
    Effect.catch((error) => Effect.sync(() => void (failure = error))),
    Effect.ensuring(room.release(1))
  )
  const microsEach = bitsPerSecond === 0 ? 0 : (bytes * 8_000_000) / bitsPerSecond
  const startedAt = nowMicros()
  for (;;) {
    yield* room.take(1)
    if (failure !== undefined) return yield* Effect.fail(failure)
    const elapsed = nowMicros() - startedAt
    const dueIn = counts.sent * microsEach - elapsed
    if (elapsed >= millis * 1000) break
    if (dueIn > 0) {
      yield* room.release(1)
      yield* Effect.sleep(Math.max(1, Math.min(dueIn, millis * 1000 - elapsed) / 1000))
    } else {
      setUint48(view, 2, counts.sent++)
      setUint48(view, 8, nowMicros())
      // copied before it is written again
      yield* Effect.forkChild(deliver, { startImmediately: true })
    }
  }
  yield* Effect.timeoutOption(room.take(window - 1), LINGER_MILLIS)
})

const receiveAll = Effect.fnUntraced(function* (connection: QuicConnection, tally: DatagramTally) {
  const nowMicros = yield* nowMicrosOf
  for (;;) tally.take(yield* connection.receiveDatagram, nowMicros())
})

const QUIET_MILLIS = 250

/** While the last datagrams arrive. */
const MORE_REPORTS = 15

/** Waits until all of `sent` are there, or no more arrive. */
const settle = Effect.fnUntraced(function* (tally: DatagramTally, sent: number) {
  for (let before = -1; tally.received < sent && tally.received > before; ) {
    before = tally.received
    yield* Effect.sleep(QUIET_MILLIS)
  }
})

const reportEachSecond = (stream: QuicStream, report: (isLast: boolean) => DatagramReport) =>
  Effect.forever(
    Effect.andThen(
      Effect.sleep(1000),
      Effect.suspend(() => stream.write(encodeReport(report(false))))
    )
  )

/** `work`, and a report each second and at its end. */
const reporting = Effect.fnUntraced(function* (
  stream: QuicStream,
  work: Effect.Effect<unknown, QuicError>,
  report: (isLast: boolean) => DatagramReport
) {
  yield* Effect.raceFirst(work, reportEachSecond(stream, report))
  yield* stream.write(encodeReport(report(true)))
  yield* stream.finish
})

const readCount = Effect.fnUntraced(function* (reader: StreamReader, within: number) {
  const bytes = yield* reader.readExactly(COUNT_BYTES, { within })
  return bytes === undefined ? undefined : Number(viewOf(bytes).getBigUint64(0))
})

const answer = Effect.fnUntraced(function* (connection: QuicConnection, stream: QuicStream) {
  const reader = new StreamReader(stream)
  const request = yield* reader.readExactly(REQUEST_BYTES, { within: PATIENCE_MILLIS })
  const test = request && decodeTest(request)
  if (test === undefined) return yield* stream.reset(BAD_REQUEST)
  if (test.direction === "download") {
    const counts = { sent: 0 }
    const report = (isLast: boolean) => ({ isLast, sent: counts.sent, received: 0, jitterMicros: 0 })
    return yield* reporting(stream, sendAll(connection, test, counts), report)
  }
  const tally = new DatagramTally(test)
  let sent: number | undefined
  const ended = Effect.gen(function* () {
    sent = yield* readCount(reader, test.millis + PATIENCE_MILLIS)
    yield* settle(tally, sent ?? 0)
  })
  yield* reporting(stream, Effect.raceFirst(ended, receiveAll(connection, tally)), (isLast) => ({
    isLast,
    sent: Math.max(tally.expected, isLast && Number.isSafeInteger(sent) ? sent! : 0),
    received: tally.received,
    jitterMicros: tally.jitterMicros
  }))
})

/** The server's side of a connection: one test at a time, as all share its datagrams. */
export const serveDatagramTests = (connection: QuicConnection): Effect.Effect<void, QuicError> => {
  let isBusy = false
  return connection.serveStreams((stream) => {
    if (isBusy) return Effect.ignore(stream.reset(BUSY))
    isBusy = true
    const free = Effect.sync(() => {
      isBusy = false
    })
    return Effect.ensuring(Effect.ignore(answer(connection, stream)), free)
  })
}

/** The counts of both sides, as known here. */
export interface DatagramCounts {
  readonly sent: number
  readonly received: number
  /** Of the datagrams with a number that must have been sent. */
  readonly missing: number
  readonly jitterMillis: number
}

/** Runs a test; `onSecond` hears of each second, the result is of all, and undefined if the server ended without it. */
export const callDatagramTest = Effect.fnUntraced(function* (
  connection: QuicConnection,
  test: DatagramTest,
  onSecond: (counts: DatagramCounts) => Effect.Effect<void> = () => Effect.void
) {
  const stream = yield* connection.openBidi
  const reader = new StreamReader(stream)
  const tally = new DatagramTally(test)
  const counts = { sent: 0 }
  const countsOf = (report: DatagramReport): DatagramCounts =>
    test.direction === "upload"
      ? {
          sent: counts.sent,
          received: report.received,
          missing: report.sent - report.received,
          jitterMillis: report.jitterMicros / 1000
        }
      : {
          sent: report.sent,
          received: tally.received,
          missing: (report.isLast ? report.sent : tally.expected) - tally.received,
          jitterMillis: tally.jitterMicros / 1000
        }
  const reports = Effect.gen(function* () {
    // one of each second, and no more than that of a server that does not keep to it
    for (let left = Math.ceil(test.millis / 1000) + MORE_REPORTS; left > 0; left--) {
      const bytes = yield* reader.readExactly(REPORT_BYTES, { within: PATIENCE_MILLIS })
      const report = bytes && decodeReport(bytes)
      if (report === undefined) return undefined
      if (report.isLast) {
        if (test.direction === "download") yield* settle(tally, report.sent)
        return countsOf(report)
      }
      yield* onSecond(countsOf(report))
    }
    return undefined
  })
  yield* stream.write(encodeTest(test))
  if (test.direction === "download") return yield* Effect.raceFirst(reports, receiveAll(connection, tally))
  const upload = Effect.gen(function* () {
    yield* sendAll(connection, test, counts)
    const sent = new Uint8Array(COUNT_BYTES)
    viewOf(sent).setBigUint64(0, BigInt(counts.sent))
    yield* stream.write(sent)
    yield* stream.finish
  })
  const [result] = yield* Effect.all([reports, upload], { concurrency: "unbounded" })
  return result
}, Effect.scoped)
