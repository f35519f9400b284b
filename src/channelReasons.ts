/** Why a channel is over, or refuses a message. */
import * as Schema from "effect/Schema"

/**
 * A channel of a channel set has ended, or a message cannot be sent on it. Other channels are not affected.
 *
 * **Details**
 *
 * `side` is the one that noticed: `here`, or `there`, which refused the channel with one of `channelErrorCodes`. `outcome`:
 *
 * - `Closed`: one side has closed it
 * - `UnknownChannel`: the receiver's set has no such channel
 * - `WrongDirection`: the receiver's set has it in the other direction only
 * - `IncompatibleVersion`: the ranges of versions of the two sets do not meet
 * - `Duplicate`: the sender has opened it twice
 * - `BadPreamble`: what comes before the messages is malformed, or was not sent in time
 * - `FrameTooLarge`: a message is larger than the channel's `maxBytes`
 * - `BadFrame`: a message is cut off, or comes where none is expected
 * - `EncodeFailed`: a message to send does not fit the schema; the channel goes on
 * - `DecodeFailed`: a message that was received does not fit the schema
 *
 * @category reasons
 * @since 0.1.0
 */
export class ChannelFailed extends Schema.TaggedError<ChannelFailed>()("ChannelFailed", {
  /** Name of the channel. */
  channel: Schema.String,
  /** The side that noticed: this one, or the other, which refused the channel. */
  side: Schema.Literals(["here", "there"]),
  /** What has happened; see above. */
  outcome: Schema.Literals([
    "Closed",
    "UnknownChannel",
    "WrongDirection",
    "IncompatibleVersion",
    "Duplicate",
    "BadPreamble",
    "FrameTooLarge",
    "BadFrame",
    "EncodeFailed",
    "DecodeFailed"
  ]),
  /** What is wrong, in words for people. */
  problem: Schema.String
}) {
  override get message(): string {
    return `channel ${this.channel}: ${this.problem}${this.side === "there" ? ", says the peer" : ""}`
  }
}
