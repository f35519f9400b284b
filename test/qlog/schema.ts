/** The part of the qlog schemas that our logs use, checked by hand. */
import type { Role } from "../../src/wire/Role.ts"
import { expect } from "vitest"

export interface QlogEvent {
  readonly time: number
  readonly name: string
  readonly data: Readonly<Record<string, unknown>> & {
    readonly header?: Readonly<Record<string, unknown>>
    readonly frames?: ReadonlyArray<{ readonly frame_type: string }>
  }
}

/** RFC 7464: each record between 0x1E and LF. */
export const readRecords = (text: string): ReadonlyArray<QlogEvent> => {
  expect(text[0]).toBe("\u001e")
  expect(text.at(-1)).toBe("\n")
  return text
    .slice(1, -1)
    .split("\n\u001e")
    .map((record) => JSON.parse(record))
}

export const checkHeader = (header: unknown, role: Role): void => {
  expect(header).toMatchObject({
    file_schema: "urn:ietf:params:qlog:file:sequential",
    serialization_format: "application/qlog+json-seq",
    // what the loader of qvis asks of a .sqlog file, beside a trace
    qlog_version: "0.3",
    qlog_format: "JSON-SEQ",
    trace: {
      event_schemas: ["urn:ietf:params:qlog:events:quic-13", "urn:effect-quic:qlog:events:nat"],
      vantage_point: { type: role },
      common_fields: { reference_time: { clock_type: "monotonic", epoch: "unknown" } }
    }
  })
}

const hexstring = /^([0-9a-f]{2})*$/
const packetTypes = ["initial", "handshake", "0RTT", "1RTT", "retry", "version_negotiation"]
/** Frame types with their required fields. qlog-quic-events §8.13 */
const frames: Readonly<Record<string, ReadonlyArray<string>>> = {
  ping: [],
  ack: ["ack_delay", "acked_ranges"],
  reset_stream: ["stream_id", "error", "final_size"],
  reset_stream_at: ["stream_id", "error", "final_size", "reliable_size"],
  stop_sending: ["stream_id", "error"],
  crypto: ["offset", "raw"],
  new_token: ["token"],
  stream: ["stream_id"],
  max_data: ["maximum"],
  max_stream_data: ["stream_id", "maximum"],
  max_streams: ["stream_type", "maximum"],
  data_blocked: ["limit"],
  stream_data_blocked: ["stream_id", "limit"],
  streams_blocked: ["stream_type", "limit"],
  new_connection_id: ["sequence_number", "retire_prior_to", "connection_id"],
  retire_connection_id: ["sequence_number"],
  path_challenge: ["data"],
  path_response: ["data"],
  connection_close: ["error_space", "reason"],
  handshake_done: [],
  datagram: ["raw"],
  // multipath
  path_ack: ["path_id", "ack_delay", "acked_ranges"],
  path_abandon: ["path_id", "error_code"],
  path_status_backup: ["path_id", "path_status_sequence_number"],
  path_status_available: ["path_id", "path_status_sequence_number"],
  path_new_connection_id: ["path_id", "sequence_number", "retire_prior_to", "connection_id"],
  path_retire_connection_id: ["path_id", "sequence_number"],
  max_path_id: ["maximum_path_id"],
  paths_blocked: ["maximum_path_id"],
  path_cids_blocked: ["path_id", "next_sequence_number"],
  unknown: ["frame_type_bytes"]
}
const dropTriggers = [
  "internal_error",
  "rejected",
  "unsupported",
  "invalid",
  "duplicate",
  "connection_unknown",
  "decryption_failure",
  "key_unavailable",
  "general"
]
/** Events with their required fields. */
const events: Readonly<Record<string, ReadonlyArray<string>>> = {
  connection_started: ["local", "remote"],
  connection_closed: ["trigger"],
  connection_state_updated: ["new"],
  tuple_assigned: ["tuple_id"],
  mtu_updated: ["new"],
  version_information: ["chosen_version"],
  alpn_information: ["chosen_alpn"],
  parameters_set: [],
  packet_sent: ["header", "frames", "raw"],
  packet_received: ["header", "frames", "raw"],
  packet_dropped: ["trigger"],
  packet_lost: ["header"],
  migration_state_updated: ["new"],
  key_updated: ["key_type"],
  key_discarded: ["key_type"],
  recovery_metrics_updated: [],
  path_state_updated: ["path_id", "new"],
  bonding_state_updated: ["new"]
}

export const checkEvent = (event: QlogEvent): void => {
  expect(typeof event.time).toBe("number")
  const [, name] = /^(?:quic|multipath):(\w+)$/.exec(event.name)!
  expect(Object.keys(events)).toContain(name)
  for (const field of events[name]) expect(event.data, name).toHaveProperty(field)
  if (name === "packet_dropped") {
    expect(dropTriggers).toContain(event.data.trigger)
    // qlog-quic-events §5.7: details is an object; ours contains a readable text
    if (event.data.details !== undefined) expect(event.data.details).toEqual({ reason: expect.any(String) })
  }
  const { header } = event.data
  if (header !== undefined) {
    expect(packetTypes).toContain(header.packet_type)
    for (const id of [header.dcid, header.scid, header.version])
      if (id !== undefined) expect(id).toMatch(hexstring)
    if (name === "packet_sent" || name === "packet_received")
      expect(Number.isSafeInteger(header.packet_number)).toBe(true)
  }
  for (const frame of event.data.frames ?? []) {
    expect(Object.keys(frames)).toContain(frame.frame_type)
    for (const field of frames[frame.frame_type]) expect(frame, frame.frame_type).toHaveProperty(field)
  }
  for (const value of Object.values(event.data)) expect(value).not.toBeNull()
}
