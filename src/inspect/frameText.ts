/** What a packet contains, on one line. */
import { closeFrameText } from "./closeText.ts"
import { numberOf, objectOf, textOf, wordsOf } from "./fields.ts"
import type { JsonObject } from "./RecordReader.ts"

const MAX_FRAMES = 8
const MAX_RANGES = 4
const MAX_FIELDS = 4

/** Bytes of a stream, as `offset+length`. */
const extent = ({ offset, raw }: JsonObject): string =>
  `${numberOf(offset) ?? 0}+${numberOf(objectOf(raw).payload_length) ?? 0}`

const rangeText = (range: unknown): string => {
  const [from, to] = Array.isArray(range) ? range.map(numberOf) : []
  return to === undefined || to === from ? `${from ?? "?"}` : `${from ?? "?"}–${to}`
}

const rangesText = (ranges: unknown): string => {
  if (!Array.isArray(ranges)) return ""
  // the largest come last, and are the news
  const shown = ranges.slice(-MAX_RANGES).map(rangeText).join(", ")
  return ranges.length > MAX_RANGES ? `…, ${shown}` : shown
}

const frameText = (frame: JsonObject): string => {
  const { frame_type, ...fields } = frame
  const type = textOf(frame_type) ?? "?"
  switch (type) {
    case "stream":
      return `stream ${numberOf(fields.stream_id) ?? "?"} ${extent(fields)}${fields.fin === true ? " fin" : ""}`
    case "crypto":
      return `crypto ${extent(fields)}`
    case "datagram":
      return `datagram ${numberOf(objectOf(fields.raw).payload_length) ?? 0}`
    case "ack":
      return `ack ${rangesText(fields.acked_ranges)}`
    case "path_ack":
      return `path_ack of path ${numberOf(fields.path_id) ?? "?"}: ${rangesText(fields.acked_ranges)}`
    case "connection_close":
      return `connection_close (${closeFrameText(fields)})`
    case "unknown":
      return `frame 0x${(numberOf(fields.frame_type_bytes) ?? 0).toString(16)}`
    default: {
      const words = wordsOf(fields, MAX_FIELDS)
      return words === "" ? type : `${type} (${words})`
    }
  }
}

export const framesText = (frames: unknown): string => {
  if (!Array.isArray(frames)) return ""
  const shown = frames.slice(0, MAX_FRAMES).map((frame) => frameText(objectOf(frame)))
  const more = frames.length - shown.length
  return more > 0 ? `${shown.join(" · ")} · ${more} more` : shown.join(" · ")
}
