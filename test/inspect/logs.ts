/** Logs written by hand, one record a line. */
export const header = {
  file_schema: "urn:ietf:params:qlog:file:sequential",
  serialization_format: "application/qlog+json-seq",
  trace: { vantage_point: { type: "client" }, common_fields: { group_id: "0102" } }
}

export const sequence = (records: ReadonlyArray<unknown>): string =>
  records.map((record) => `\u001e${JSON.stringify(record)}\n`).join("")

export const sent = (packet_number: number, time: number, path_id?: number) => ({
  time,
  name: "quic:packet_sent",
  data: {
    header: { packet_type: "1RTT", packet_number, ...(path_id !== undefined && { path_id }) },
    frames: [{ frame_type: "ping" }],
    raw: { length: 100 }
  }
})

export const lost = (packet_number: number, time: number, path_id?: number) => ({
  time,
  name: "quic:packet_lost",
  data: { header: { packet_type: "1RTT", packet_number, ...(path_id !== undefined && { path_id }) } }
})
