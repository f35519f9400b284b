/**
 * The datagram test of `perf`, a protocol of its own beside that of the streams. A bidirectional stream of the client
 * describes the test; the side that sends does so for that time, in datagrams that carry their number and time. Each second,
 * and at the end, the server reports what it has sent or received. The client ends an upload with how many it has sent.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { monotonicMicros } from "../capability/TimerClock.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import { StreamReader } from "../StreamReader.ts"
import {
  COUNT_BYTES,
  datagramOf,
  DatagramTally,
  decodeCount,
  decodeReport,
  decodeTest,
  encodeCount,
  encodeReport,
  encodeTest,
  REPORT_BYTES,
  REQUEST_BYTES,
  stamp,
  type DatagramReport,
  type DatagramTest
} from "./perfDatagramFormat.ts"

export const perfDatagramAlpn = "effect-quic/perf-datagrams/1"

/** Of both sides: all that may arrive. */
export const MAX_DATAGRAM_FRAME_BYTES = 65_535

const BAD_REQUEST = 1
const BUSY = 2

/** How long the other side may be silent when it is its turn. */
const PATIENCE_MILLIS = 15_000

/** What may be unacknowledged, each datagram counted with what the queue adds: less than the queue holds, so that it drops none. */
const WINDOW_BYTES = 768 * 1024
const OVERHEAD_BYTES = 256
/** For the last datagrams to be acknowledged. */
const LINGER_MILLIS = 1000

/** Sends for the time of the test, then gives those in flight a second to arrive; `counts.sent` is up to date. */
const sendAll = Effect.fnUntraced(function* (
  connection: QuicConnection,
  test: DatagramTest,
  counts: { sent: number }
) {
  const { bitsPerSecond, bytes, millis } = test
  const nowMicros = yield* monotonicMicros
  const window = Math.floor(WINDOW_BYTES / (bytes + OVERHEAD_BYTES))
  const room = yield* Semaphore.make(window)
  const datagram = datagramOf(test)
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
      stamp(datagram, counts.sent++, nowMicros())
      // copied before it is written again
      yield* Effect.forkChild(deliver, { startImmediately: true })
    }
  }
  yield* Effect.timeoutOption(room.take(window - 1), LINGER_MILLIS)
})

const receiveAll = Effect.fnUntraced(function* (connection: QuicConnection, tally: DatagramTally) {
  const nowMicros = yield* monotonicMicros
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
  return bytes && decodeCount(bytes)
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
    yield* stream.write(encodeCount(counts.sent))
    yield* stream.finish
  })
  const [result] = yield* Effect.all([reports, upload], { concurrency: "unbounded" })
  return result
}, Effect.scoped)
