/** The model of a log: what a real one says, and what no log can make it do. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import { type ConnectionStats, Qlog } from "../../src/index.ts"
import { Inspection, MAX_PATHS } from "../../src/inspect/Inspection.ts"
import { MAX_RECORD } from "../../src/inspect/RecordReader.ts"
import { MAX_ROWS } from "../../src/inspect/Rows.ts"
import { Histogram, MAX_BUCKETS, Series } from "../../src/inspect/Series.ts"
import { QlogTrace } from "../../src/qlog/QlogTrace.ts"
import { pair, pattern, readAll } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { TwoPaths } from "../connection/TwoPaths.ts"
import { itSim } from "../sim/itSim.ts"
import { header, lost, sent, sequence } from "./logs.ts"

const inspected = (text: string): Inspection => {
  const inspection = new Inspection()
  inspection.push(text)
  return inspection.end()
}

describe("a log of the simulator", () => {
  itSim("says what connection.stats says, for both sides", () =>
    Effect.gen(function* () {
      const logs = new Map<string, string>()
      const qlog = Layer.succeed(Qlog, (name: string) => (records: string) => {
        const role = name.slice(name.indexOf("_") + 1)
        logs.set(role, (logs.get(role) ?? "") + records)
      })
      const world = yield* simWorld
      world.cable!.set({ lossRate: 0.03, jitterMillis: 5 })
      const stats: { client?: ConnectionStats; server?: ConnectionStats } = {}
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { near, far } = yield* pair({
            ...world,
            client: { ...world.client, layer: Layer.merge(world.client.layer, qlog) },
            server: { ...world.server, layer: Layer.merge(world.server.layer, qlog) }
          })
          const stream = yield* near.openUni
          const received = yield* Effect.forkChild(Effect.flatMap(far.acceptUni, readAll))
          yield* stream.write(pattern(300_000))
          yield* stream.finish
          yield* Fiber.join(received)
          yield* near.updateKeys
          yield* near.close(7, "done")
          yield* far.closed
          yield* Effect.sleep("2 seconds")
          stats.client = near.stats
          stats.server = far.stats
        })
      )
      for (const role of ["client", "server"] as const) {
        const { facts, totals, dropped, keyUpdates, paths, rows, malformed, isTruncated } = inspected(
          logs.get(role)!
        )
        const own = stats[role]!
        expect(facts).toMatchObject({ role, version: "QUIC v1", alpn: "test", state: "closed" })
        const who = role === "client" ? "by this side" : "by the peer"
        expect(facts.closed).toBe(`${who}, application error 7: done`)
        expect(rows.all().map(({ title, text }) => `${title}: ${text}`)).toContain(
          `connection_closed: ${facts.closed}`
        )
        expect(totals.sent).toEqual({ packets: own.packetsSent, bytes: own.bytesSent })
        expect(totals.received.packets).toBe(own.packetsReceived)
        expect(totals.lost).toBe(own.packetsLost)
        expect([dropped, keyUpdates]).toEqual([own.packetsDropped, own.keyUpdates])
        expect([...paths.keys()]).toEqual([0])
        const { series, losses } = paths.get(0)!
        expect(series.smoothed_rtt.last).toBeCloseTo(own.smoothedRttMillis, 6)
        expect(series.min_rtt.last).toBeCloseTo(own.minRttMillis, 6)
        expect(series.congestion_window.last).toBe(Math.floor(own.congestionWindowBytes))
        expect(losses.points().reduce((sum, value, i) => (i % 2 === 1 ? sum + value : sum), 0)).toBe(
          own.packetsLost
        )
        expect(rows.all().filter(({ lostAt }) => lostAt !== undefined)).toHaveLength(own.packetsLost)
        expect(rows.all().filter(({ kind }) => kind === "sent")).toHaveLength(own.packetsSent)
        expect([malformed, isTruncated]).toEqual([0, false])
        if (role === "client") expect(own.packetsLost).toBeGreaterThan(0)
      }
    })
  )

  it("tells two paths apart", () => {
    let log = ""
    const two = new TwoPaths({
      observe: (role, id, nowMicros) =>
        new QlogTrace(role, id, nowMicros, 0, () => (records) => {
          if (role === "client") log += records
        })
    })
    let datagrams = 0
    two.arrives = ({ by, socket }) => by === "server" || socket === 0 || ++datagrams % 5 > 0
    const { client } = two.pair
    client.streams.write(client.streams.open(false), new Uint8Array(100_000))
    two.exchange().advance(1_000_000)
    client.close(0, "", two.nowMicros)
    two.exchange()
    const { paths, totals } = inspected(log)
    const counters = two.second.client.recovery.counters
    expect([...paths.keys()]).toEqual([0, 1])
    expect(paths.get(1)).toMatchObject({ remote: "198.51.100.1:4434", lost: counters.packetsLost })
    expect(counters.packetsLost).toBeGreaterThan(0)
    expect(paths.get(1)!.sent.packets).toBe(counters.packetsSent)
    expect(paths.get(1)!.series.congestion_window.last).toBeGreaterThan(0)
    expect(totals.sent.packets).toBe(paths.get(0)!.sent.packets + counters.packetsSent)
  })
})

describe("why a connection was closed", () => {
  const closed = (data: object) =>
    inspected(sequence([header, { time: 1, name: "quic:connection_closed", data }])).facts.closed
  const frame = (data: object) => {
    const packet = { header: {}, frames: [{ frame_type: "connection_close", ...data }] }
    return inspected(
      sequence([header, { time: 1, name: "quic:packet_received", data: packet }])
    ).rows.all()[0].text
  }

  it("is read as what it is: closed without an error, with one, or by no frame at all", () => {
    const local = { initiator: "local", reason: "" }
    expect(closed({ ...local, application_error: "unknown", error_code: 0, trigger: "application" })).toBe(
      "by this side, without error"
    )
    expect(closed({ ...local, connection_error: "no_error", trigger: "error" })).toBe(
      "by this side, without error"
    )
    expect(closed({ initiator: "remote", connection_error: "flow_control_error", reason: "too much" })).toBe(
      "by the peer, transport error flow_control_error: too much"
    )
    expect(closed({ initiator: "remote", connection_error: "unknown", error_code: 99 })).toBe(
      "by the peer, transport error 99"
    )
    expect(closed({ initiator: "local", trigger: "idle_timeout" })).toBe("by this side, idle timeout")
    expect(frame({ error_space: "application", error: "unknown", error_code: 0, reason: "" })).toBe(
      "connection_close (without error)"
    )
    expect(frame({ error_space: "transport", error: "internal_error", reason: "a defect" })).toBe(
      "connection_close (transport error internal_error: a defect)"
    )
  })

  it("is a code where an error of a stream has no name", () => {
    const frames = [{ frame_type: "reset_stream", stream_id: 4, error: "unknown", error_code: 9 }]
    const data = { header: {}, frames }
    const { rows } = inspected(sequence([header, { time: 1, name: "quic:packet_sent", data }]))
    expect(rows.all()[0].text).toBe("reset_stream (stream id 4, error code 9)")
  })
})

describe("a log that is not as it should be", () => {
  const whole = sequence([header, sent(1, 1), sent(2, 2), lost(1, 3)])

  it("is read up to where it ends, in whatever pieces it comes", () => {
    for (let length = 0; length <= whole.length; length++) {
      const inspection = new Inspection()
      inspection.push(whole.slice(0, length / 2))
      inspection.push(whole.slice(length / 2, length))
      inspection.end()
      const complete = whole.slice(0, length).split("}\n").length - 1
      expect(inspection.malformed).toBe(0)
      expect(inspection.totals.sent.packets).toBeGreaterThanOrEqual(Math.min(Math.max(complete - 1, 0), 2))
    }
    expect(inspected(whole.slice(0, -10)).isTruncated).toBe(true)
    expect(inspected(whole).isTruncated).toBe(false)
  })

  it("loses only the records that cannot be read", () => {
    const tooLong = JSON.stringify({ ...sent(3, 3), padding: "x".repeat(MAX_RECORD) })
    const text = `${sequence([header, sent(1, 1)])}\u001e{"time":\n\u001e[1]\n\u001e${tooLong}\n${sequence([
      { time: -1, name: "quic:packet_sent", data: {} },
      { time: "1", name: "quic:packet_sent" },
      { time: 1, name: 7 },
      sent(2, 2)
    ])}`
    const { malformed, totals, isTruncated } = inspected(text)
    expect([malformed, totals.sent.packets, isTruncated]).toEqual([6, 2, false])
  })

  it("is no qlog without the header, and no more than a header with one", () => {
    expect(inspected("").isQlog).toBe(false)
    expect(inspected("<!doctype html>").isQlog).toBe(false)
    expect(inspected(sequence([{ qlog_version: "0.3", traces: [] }])).isQlog).toBe(false)
    expect(inspected(sequence([header]))).toMatchObject({ isQlog: true, endMillis: 0 })
  })

  it("takes fields of any type", () => {
    const values = [null, [], {}, "x", 1e300, -1, [null], { ip_v4: {}, length: "9" }]
    const names = ["packet_sent", "packet_received", "packet_lost", "packet_dropped", "alpn_information"]
    const more = ["recovery_metrics_updated", "tuple_assigned", "path_state_updated", "connection_closed"]
    const fields = ["header", "frames", "raw", "path_id", "chosen_alpn", "tuple_remote", "congestion_window"]
    const events = [...names, ...more].flatMap((name) =>
      values.flatMap((value) => [
        { time: 1, name: `quic:${name}`, data: value },
        { time: 1, name: `quic:${name}`, data: Object.fromEntries(fields.map((field) => [field, value])) }
      ])
    )
    const { malformed, totals } = inspected(sequence([header, ...events]))
    expect([malformed, totals.sent]).toEqual([0, { packets: 2 * values.length, bytes: 0 }])
  })
})

describe("what is held of a log", () => {
  it("are the first and the last rows; all are counted, and losses of those that are kept are shown", () => {
    const count = MAX_ROWS + 500
    const inspection = new Inspection()
    inspection.push(sequence([header]))
    for (let i = 0; i < count; i++) inspection.push(sequence([sent(i, i)]))
    for (const number of [3, MAX_ROWS / 2 + 3, count - 1]) inspection.push(sequence([lost(number, count)]))
    inspection.end()
    const rows = inspection.rows.all()
    expect(rows).toHaveLength(MAX_ROWS)
    expect([inspection.rows.omitted, inspection.rows.watched]).toEqual([500, MAX_ROWS])
    expect([rows[MAX_ROWS / 2 - 1].time, rows[MAX_ROWS / 2].time]).toEqual([
      MAX_ROWS / 2 - 1,
      MAX_ROWS / 2 + 500
    ])
    expect(rows.filter(({ lostAt }) => lostAt !== undefined).map(({ time }) => time)).toEqual([3, count - 1])
    expect(inspection.totals).toMatchObject({ lost: 3, sent: { packets: count, bytes: 100 * count } })
  })

  it("are so many paths", () => {
    const events = Array.from({ length: MAX_PATHS + 5 }, (_, i) => sent(1, 1, i))
    const { paths, totals } = inspected(sequence([header, ...events]))
    expect([paths.size, totals.sent.packets]).toEqual([MAX_PATHS, MAX_PATHS + 5])
  })

  it("are so many values of a measurement, with its extremes, first and last", () => {
    const series = new Series()
    const count = 20 * MAX_BUCKETS
    for (let i = 0; i < count; i++) series.add(i, i === 777 ? 5000 : i === 30_001 ? 1 : 100 + (i % 7))
    const points = series.points()
    const pairs = Array.from({ length: points.length / 2 }, (_, i) => [points[2 * i], points[2 * i + 1]])
    expect(pairs.length).toBeLessThanOrEqual(4 * MAX_BUCKETS)
    expect(pairs).toContainEqual([777, 5000])
    expect(pairs).toContainEqual([30_001, 1])
    expect(pairs[0]).toEqual([0, 100])
    expect(pairs.at(-1)![0]).toBe(count - 1)
    for (let i = 1; i < pairs.length; i++) expect(pairs[i][0]).toBeGreaterThan(pairs[i - 1][0])
  })

  it("are so many intervals of a count, whose sum is right", () => {
    const histogram = new Histogram()
    for (let i = 0; i < 50_000; i++) histogram.add(i, 2)
    const points = histogram.points()
    expect(points.length / 2).toBeLessThanOrEqual(MAX_BUCKETS)
    expect(points.reduce((sum, value, i) => (i % 2 === 1 ? sum + value : sum), 0)).toBe(100_000)
  })
})
