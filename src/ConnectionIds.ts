/**
 * The connection IDs of a connection: what each side has issued to the other, and which are in use.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { refuseCount } from "./arguments.ts"
import type { Connection } from "./connection/Connection.ts"
import type { ConnectionPath } from "./connection/ConnectionPath.ts"
import type { ConnectionIdError } from "./path/connectionIdErrors.ts"
import type { ConnectionIdSnapshot } from "./path/LocalConnectionIds.ts"
import { hexadecimal } from "./internal/hexadecimal.ts"
import {
  ActiveConnectionId,
  NoConnectionIds,
  NoSpareConnectionId,
  type QuicError,
  quicError,
  RetiredConnectionId,
  RotationPending,
  UnknownConnectionId
} from "./QuicError.ts"

/**
 * A connection ID. Its stateless reset token is a secret and not shown.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionIdInfo {
  /** The path it belongs to, 0 for the first. */
  readonly path: number
  /** Its number among those of the same side and path. RFC 9000 §5.1.1 */
  readonly sequence: number
  /** Its 0 to 20 bytes in hexadecimal, as logs and packet captures show it. */
  readonly id: string
  /** `"retiring"`: issued by this side, which has asked the peer to retire it. */
  readonly state: "spare" | "used" | "retiring"
  /** Whether packets on the path are sent to it. */
  readonly isActive: boolean
}

/**
 * The connection IDs of a connection, from `connection.connectionIds`.
 *
 * **Details**
 *
 * At most 8 of this side's are with the peer, and at most `activeConnectionIdLimit` of the peer's here; both sides replace
 * those that are retired. Each migration takes an unused one, so that an observer of two networks cannot tell that it is
 * the same connection. RFC 9000 §9.5
 *
 * @category models
 * @since 0.1.0
 */
export class ConnectionIds {
  private readonly core: Connection
  private readonly attempt: (
    run: () => Effect.Effect<never, QuicError> | undefined
  ) => Effect.Effect<void, QuicError>

  /** Called by `QuicConnection`; not for applications. */
  constructor(core: Connection, attempt: ConnectionIds["attempt"]) {
    this.core = core
    this.attempt = attempt
  }

  /** Those this side has issued: the peer sends to them. In order of their numbers. */
  get local(): ReadonlyArray<ConnectionIdInfo> {
    return this.list(({ localIds }) => localIds.snapshots())
  }

  /** Those the peer has issued: this side sends to them. In order of their numbers. */
  get remote(): ReadonlyArray<ConnectionIdInfo> {
    return this.list(({ peerIds }) => peerIds.snapshots())
  }

  /**
   * Sends to that unused ID of the peer's from now on, and retires the one before. Does nothing if it is the active one.
   *
   * `sequence` and `path` are integers from 0, default path 0.
   *
   * **Errors**: `UnknownConnectionId`, `RetiredConnectionId`, `ActiveConnectionId` if another route uses it,
   * `RotationPending`, `NoSpareConnectionId` before the handshake is confirmed, or `InvalidOption`; nothing is changed.
   */
  activate(sequence: number, path = 0): Effect.Effect<void, QuicError> {
    return (
      refuseCount(sequence, "sequence") ??
      refuseCount(path, "path") ??
      this.attempt(() => refusedId(this.core.activateId(path, sequence)))
    )
  }

  /**
   * Retires that unused ID of the peer's; the peer provides another.
   *
   * `sequence` and `path` are integers from 0, default path 0.
   *
   * **Errors**: `ActiveConnectionId` if it is in use, `UnknownConnectionId`, `RetiredConnectionId`, `RotationPending`, or
   * `InvalidOption`; nothing is changed.
   */
  retire(sequence: number, path = 0): Effect.Effect<void, QuicError> {
    return (
      refuseCount(sequence, "sequence") ??
      refuseCount(path, "path") ??
      this.attempt(() => refusedId(this.core.retireId(path, sequence)))
    )
  }

  private list(
    of: (path: ConnectionPath) => ReadonlyArray<ConnectionIdSnapshot>
  ): ReadonlyArray<ConnectionIdInfo> {
    return [...this.core.paths].flatMap((path) =>
      of(path).map((each) => ({ ...each, path: path.id, id: hexadecimal(each.id) }))
    )
  }
}

const reasons = {
  UnknownConnectionId,
  RetiredConnectionId,
  ActiveConnectionId,
  RotationPending,
  NoSpareConnectionId,
  NoConnectionIds
}

/** The error for what the core has refused, if anything. */
export const refusedId = (
  error: ConnectionIdError | undefined
): Effect.Effect<never, QuicError> | undefined =>
  error && Effect.fail(quicError(new reasons[error._tag]({ sequence: error.sequence })))
