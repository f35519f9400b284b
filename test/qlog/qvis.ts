/**
 * What qvis (quiclog/qvis, src/lib/data: FileLoader, textsequencejsontoqlog, QlogLoaderV2) asks of a `.sqlog` file, as
 * assertions: what it refuses, what it skips, and what it warns of with an alert.
 */
import { expect } from "vitest"

interface Loaded {
  readonly time: unknown
  readonly name?: unknown
  readonly group_id?: unknown
  readonly data?: { readonly header?: Readonly<Record<string, unknown>>; readonly packet_type?: unknown }
}

interface Header {
  readonly [field: string]: unknown
  readonly trace?: {
    readonly error_description?: unknown
    readonly event_fields?: unknown
    readonly vantage_point?: { readonly type?: unknown }
    readonly configuration?: { readonly time_units?: unknown; readonly time_offset?: unknown }
    readonly common_fields?: { readonly time_format?: unknown; readonly reference_time?: unknown }
  }
}

const versions = ["draft-02", "draft-02-RC1", "qlog-03-WIP", "0.3"]

/** Milliseconds, as its parser of events counts them before any offset. */
const startMillis = ({ trace }: Header): number => {
  const { time_format, reference_time } = trace?.common_fields ?? {}
  // any other format is taken for absolute times
  if (time_format !== "relative" && time_format !== undefined) return 0
  if (reference_time === undefined) return 0
  const text = String(reference_time)
  return /[:-]/.test(text) ? Date.parse(text) : Number.parseFloat(text)
}

export const expectLoadsInQvis = (text: string): void => {
  // what cannot be parsed ends the reading of its whole chunk
  const records = text
    .split("\u001e")
    .filter((record) => record.trim() !== "")
    .map((record) => JSON.parse(record))
  const [header, ...events] = records as [Header, ...ReadonlyArray<Loaded>]
  expect(versions).toContain(header.qlog_version)
  expect(header.qlog_format).toBe("JSON-SEQ")
  const { trace } = header
  expect(trace).toBeTypeOf("object")
  expect(trace?.error_description).toBe(undefined)
  expect(trace?.event_fields).toBe(undefined)
  expect(["client", "server", "network"]).toContain(trace?.vantage_point?.type)
  expect(trace?.configuration).toBe(undefined) // times are in milliseconds, from no other origin
  // it looks at the last event whether there is one or not
  expect(events.length).toBeGreaterThan(0)
  // either none has a group, or all
  expect(new Set(events.map(({ group_id }) => group_id)).size).toBe(1)
  let before = -1
  for (const { time, name, data } of events) {
    const at = Number.parseFloat(String(time)) + startMillis(header)
    expect(at).toBeGreaterThanOrEqual(before)
    before = at
    expect(name).toMatch(/^\w+:\w+$/)
    expect(data).toBeTypeOf("object")
    expect(data?.packet_type).toBe(undefined)
    expect(data?.header?.packet_size).toBe(undefined)
    expect(data?.header?.payload_length).toBe(undefined)
  }
}
