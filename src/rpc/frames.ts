/** The stream of a call: a preamble of its caller's, then frames: a length of 4 bytes, big-endian, and that many bytes. */
import * as Effect from "effect/Effect"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"

const PREFIX_BYTES = 4

/** Why what arrived cannot be used. `code` is the application error code the stream is reset with. */
export class BadFrame extends Error {
  override readonly name = "BadFrame"
  readonly code: number

  constructor(code: number, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

/**
 * Application error codes on the stream of a call.
 *
 * **Details
 *
 * @category constants
 * @since 0.1.0
 */
export const rpcErrorCodes = {
  /** The caller was interrupted, or the server ended the call before its reply. */
  cancelled: 1,
  /** A frame is longer than `maxFrameBytes`, by its prefix. */
  frameTooLarge: 2,
  /** A frame is cut off, does not decode, or is not expected. */
  badFrame: 3,
  /** Open calls hold more than the server's `maxHeldBytes`, and this one is the largest of the connection that holds most. */
  busy: 4,
  /** The request did not arrive within the server's `requestTimeout`. */
  requestTimeout: 5
} as const

const encoder = new TextEncoder()

/**
 * What the stream of a call begins with, "RPC1", so that other protocols can share the connection: see `Carrier`.
 *
 * @category constants
 * @since 0.1.0
 */
export const callPreamble = encoder.encode("RPC1")

const empty = new Uint8Array(0)

/** A frame with its prefix, behind `head`, in one piece, so that it is written completely or not at all. */
export const frameOf = (
  encoded: Uint8Array | string,
  maxBytes: number,
  head: Uint8Array = empty
): Effect.Effect<Uint8Array, BadFrame> => {
  const body = typeof encoded === "string" ? encoder.encode(encoded) : encoded
  if (body.length > maxBytes) return Effect.fail(tooLarge(body.length, maxBytes))
  const frame = new Uint8Array(head.length + PREFIX_BYTES + body.length)
  frame.set(head)
  new DataView(frame.buffer).setUint32(head.length, body.length)
  frame.set(body, head.length + PREFIX_BYTES)
  return Effect.succeed(frame)
}

/** Learns what arrives of a frame. */
export interface Arrival {
  /** Bytes have arrived. */
  readonly received: (bytes: number) => void
  /** Room for as many more bytes has been reserved. */
  readonly reserved: (bytes: number) => void
}

const ignored: Arrival = { received: () => {}, reserved: () => {} }

/** The next frame; undefined at the end of the stream. Keeps at most twice what has arrived. */
export const readFrame = Effect.fnUntraced(function* (
  stream: QuicStream,
  maxBytes: number,
  arrival: Arrival = ignored
) {
  const prefix = yield* readExactly(stream, PREFIX_BYTES, ignored)
  if (prefix === undefined) return undefined
  const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0)
  if (length > maxBytes) return yield* Effect.fail(tooLarge(length, maxBytes))
  const body = yield* readExactly(stream, length, arrival)
  return body ?? (yield* Effect.fail(cutOff))
})

/** Room for a frame at first; it doubles, so that a prefix alone reserves nothing. */
const FIRST_BYTES = 4_096

/**
 * Undefined if the stream ends before the first byte. Copies what arrives into one buffer: a list of pieces would cost
 * many times their size, for a peer that sends byte by byte.
 */
const readExactly = Effect.fnUntraced(function* (
  stream: QuicStream,
  length: number,
  { received, reserved }: Arrival
): Effect.fn.Return<Uint8Array | undefined, QuicError | BadFrame> {
  let buffer = empty
  let arrived = 0
  while (arrived < length) {
    const bytes = yield* stream.read(length - arrived)
    if (bytes === undefined) return arrived === 0 ? undefined : yield* Effect.fail(cutOff)
    if (bytes.length === length) return bytes
    if (arrived + bytes.length > buffer.length) {
      const room = Math.max(FIRST_BYTES, 2 * buffer.length, arrived + bytes.length)
      const grown = new Uint8Array(Math.min(length, room))
      reserved(grown.length - buffer.length)
      grown.set(buffer)
      buffer = grown
    }
    buffer.set(bytes, arrived)
    arrived += bytes.length
    received(bytes.length)
  }
  return buffer
})

const cutOff = new BadFrame(rpcErrorCodes.badFrame, "the stream ended within a frame")

const tooLarge = (length: number, maxBytes: number): BadFrame =>
  new BadFrame(rpcErrorCodes.frameTooLarge, `a frame of ${length} bytes; at most ${maxBytes} are allowed`)
