/** Why a change of connection IDs was refused: one tagged class for each case. Nothing was changed. */
import * as Schema from "effect/Schema"

/**
 * No connection ID has this number, or not yet.
 *
 * **Details**
 *
 * Fails `connectionIds.activate` and `retire`; `sequence` is the number. RFC 9000 §5.1.1
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnknownConnectionId extends Schema.TaggedError<UnknownConnectionId>()("UnknownConnectionId", {
  /** Number of the connection ID. RFC 9000 §5.1.1 */
  sequence: Schema.Number
}) {
  override get message(): string {
    return `the peer has issued no connection ID ${this.sequence}`
  }
}

/**
 * The connection ID was retired, and is never used again.
 *
 * **Details**
 *
 * Fails `connectionIds.activate` and `retire`; `sequence` is its number. RFC 9000 §5.1.2
 *
 * @category reasons
 * @since 0.1.0
 */
export class RetiredConnectionId extends Schema.TaggedError<RetiredConnectionId>()("RetiredConnectionId", {
  /** Number of the connection ID. RFC 9000 §5.1.1 */
  sequence: Schema.Number
}) {
  override get message(): string {
    return `connection ID ${this.sequence} was retired`
  }
}

/**
 * The connection ID is in use, on the current route or on one that is being validated.
 *
 * **Details**
 *
 * Fails `connectionIds.retire`, before another is activated, and `activate` for that of another route, since an ID is
 * used from one address only; `sequence` is its number. RFC 9000 §9.5
 *
 * @category reasons
 * @since 0.1.0
 */
export class ActiveConnectionId extends Schema.TaggedError<ActiveConnectionId>()("ActiveConnectionId", {
  /** Number of the connection ID. RFC 9000 §5.1.1 */
  sequence: Schema.Number
}) {
  override get message(): string {
    return `connection ID ${this.sequence} is in use`
  }
}

/**
 * An earlier change of connection IDs is not complete: the peer has not retired the old ones, or not acknowledged that
 * this side has.
 *
 * **Details**
 *
 * It takes a round trip, and more where packets are lost. `sequence` is the number of the ID it concerns. RFC 9000 §5.1.2
 *
 * @category reasons
 * @since 0.1.0
 */
export class RotationPending extends Schema.TaggedError<RotationPending>()("RotationPending", {
  /** Number of the connection ID. RFC 9000 §5.1.1 */
  sequence: Schema.Number
}) {
  override get message(): string {
    return "an earlier change of connection IDs is not complete"
  }
}

/**
 * The peer has provided no connection ID that could be used instead, or the handshake is not confirmed.
 *
 * **Details**
 *
 * Most peers provide one within a round trip. `sequence` is the number of the ID in use, or of the one asked for.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NoSpareConnectionId extends Schema.TaggedError<NoSpareConnectionId>()("NoSpareConnectionId", {
  /** Number of the connection ID. RFC 9000 §5.1.1 */
  sequence: Schema.Number
}) {
  override get message(): string {
    return "the peer has provided no unused connection ID yet"
  }
}

/**
 * There are no connection IDs to change: both sides use empty ones, or this side has issued as many as it may.
 *
 * **Details**
 *
 * Lasts for as long as the connection. `sequence` is the number the next ID would have had. RFC 9000 §5.1
 *
 * @category reasons
 * @since 0.1.0
 */
export class NoConnectionIds extends Schema.TaggedError<NoConnectionIds>()("NoConnectionIds", {
  /** Number of the connection ID. RFC 9000 §5.1.1 */
  sequence: Schema.Number
}) {
  override get message(): string {
    return "there are no more connection IDs on this connection"
  }
}
