/** How channels fail: on the wire by a code, in the program by `ChannelFailed`. */
import * as Effect from "effect/Effect"
import { ChannelFailed, type QuicError, quicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"

export type Outcome = ChannelFailed["outcome"]

/**
 * Application error codes on the streams of channels.
 *
 * **Details**
 *
 * The receiver of a channel stops its streams with them: see `ChannelFailed`, whose outcomes have these names. `closed` is
 * also that of a side which has left the scope of its handles.
 *
 * @category constants
 * @since 0.1.0
 */
export const channelErrorCodes = {
  /** The side has closed it, or has left the scope of its handles. */
  closed: 0,
  /** The receiver's set has no such channel. */
  unknownChannel: 1,
  /** The receiver's set has it in the other direction only. */
  wrongDirection: 2,
  /** The ranges of versions of the two sets do not meet. */
  incompatibleVersion: 3,
  /** The sender has opened it twice. */
  duplicate: 4,
  /** What comes before the messages is malformed, or was not sent in time. */
  badPreamble: 5,
  /** A message is larger than the channel's `maxBytes`. */
  frameTooLarge: 6,
  /** A message is cut off, or comes where none is expected. */
  badFrame: 7,
  /** A message does not fit the schema. */
  decodeFailed: 8
} as const

/** By their codes. */
const outcomes = Object.keys(channelErrorCodes).map(
  (name) => `${name[0].toUpperCase()}${name.slice(1)}` as Outcome
)

const problems: Readonly<Record<Outcome, string>> = {
  Closed: "it is closed",
  UnknownChannel: "no such channel in this version of the set",
  WrongDirection: "nothing is received in this direction",
  IncompatibleVersion: "the versions of the two sets are not compatible",
  Duplicate: "it is already open",
  BadPreamble: "its preamble is malformed or late",
  FrameTooLarge: "a message is larger than its limit",
  BadFrame: "a message is cut off, or is not expected",
  EncodeFailed: "the message does not fit the schema",
  DecodeFailed: "a message does not fit the schema"
}

/** This side has noticed. */
export const failedHere = (channel: string, outcome: Outcome, problem = problems[outcome]): QuicError =>
  quicError(new ChannelFailed({ channel, side: "here", outcome, problem }))

/** The other side has stopped the channel with that code. */
export const failedThere = (channel: string, code: number): QuicError => {
  const outcome = outcomes[code] ?? "Closed"
  const problem = code < outcomes.length ? problems[outcome] : `it is closed with the unknown code ${code}`
  return quicError(new ChannelFailed({ channel, side: "there", outcome, problem }))
}

export const codeOf = (error: QuicError): number => {
  const { reason } = error
  return reason._tag === "ChannelFailed" ? Math.max(0, outcomes.indexOf(reason.outcome)) : 0
}

/** The peer's side of the stream ends with that code; so does ours, if it has one. */
export const refuse = (stream: QuicStream, code: number): Effect.Effect<void> =>
  Effect.ignore(Effect.andThen(stream.stop(code), stream.isUnidirectional ? Effect.void : stream.reset(code)))
