/** Frames of a channel's streams: a length of four bytes, big-endian, and that many bytes. */
import * as Effect from "effect/Effect"
import type { QuicError } from "../QuicError.ts"
import type { StreamReader } from "../StreamReader.ts"
import type { Outcome } from "./errors.ts"

export const PREFIX_BYTES = 4
const COUNT_BYTES = 8

/** A copy, in one piece with its length. */
export const frameOf = (message: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(PREFIX_BYTES + message.length)
  new DataView(frame.buffer).setUint32(0, message.length)
  frame.set(message, PREFIX_BYTES)
  return frame
}

/** How many messages an unordered channel has carried. */
export const countFrame = (count: number): Uint8Array => {
  const frame = new Uint8Array(PREFIX_BYTES + COUNT_BYTES)
  const view = new DataView(frame.buffer)
  view.setUint32(0, COUNT_BYTES)
  view.setUint32(PREFIX_BYTES, Math.floor(count / 2 ** 32))
  view.setUint32(PREFIX_BYTES + 4, count >>> 0)
  return frame
}

export const countOf = (bytes: Uint8Array): number | undefined => {
  if (bytes.length !== COUNT_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, COUNT_BYTES)
  const count = view.getUint32(0) * 2 ** 32 + view.getUint32(4)
  return Number.isSafeInteger(count) ? count : undefined
}

/** The length of the next message, from its prefix alone; undefined at the end of the stream. */
export const readLength = (
  reader: StreamReader,
  maxBytes: number
): Effect.Effect<number | Outcome | undefined, QuicError> =>
  Effect.map(whole(reader, PREFIX_BYTES), (prefix) => {
    if (prefix === undefined || typeof prefix === "string") return prefix
    const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0)
    return length > maxBytes ? "FrameTooLarge" : length
  })

/** A message of that length. */
export const readBody = (
  reader: StreamReader,
  length: number
): Effect.Effect<Uint8Array | Outcome, QuicError> =>
  Effect.map(
    length === 0 ? Effect.succeed(new Uint8Array(0)) : whole(reader, length),
    (body) => body ?? "BadFrame"
  )

const whole = (
  reader: StreamReader,
  length: number
): Effect.Effect<Uint8Array | Outcome | undefined, QuicError> =>
  Effect.catchReason(reader.readExactly(length), "QuicError", "StreamEnded", () =>
    Effect.succeed("BadFrame" as const)
  )
