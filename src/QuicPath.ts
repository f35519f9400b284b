/**
 * A path of a connection, to watch and to direct: one of several that carry its data at once.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import { attempt } from "./actor/commands.ts"
import { abandonPath, openPath as open, untilGone } from "./actor/openPath.ts"
import type { LocalPlace } from "./actor/PathActor.ts"
import type { ConnectionPath } from "./connection/ConnectionPath.ts"
import { AbandonCode } from "./connection/Multipath.ts"
import { type PathInfo, pathInfo } from "./ConnectionPaths.ts"
import { CostSchema, OpenPathSchema } from "./EndpointOptions.ts"
import { PathFailed, type QuicError, quicError } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"

/**
 * An address of the peer's.
 *
 * @category models
 * @since 0.1.0
 */
export interface RemotePlace {
  /** IP literal. */
  readonly host: string
  /** 1 to 65,535. Default that in use. */
  readonly port?: number
}

/**
 * Where a further path begins, and how it is used.
 *
 * @category options
 * @since 0.1.0
 */
export interface OpenPathOptions {
  /** Where its socket is bound. Default any address, which gives it another port only. */
  readonly local?: LocalPlace
  /** Another address of the server's, an IP literal. Default the one in use; its port is that in use unless given. */
  readonly remote?: RemotePlace
  /** `"backup"` carries data only while no other path works. Default `"available"`. */
  readonly status?: "available" | "backup"
  /** What data on it costs, compared to other paths: see `setCost`. Default 0. */
  readonly cost?: number
}

/**
 * Why a path is over. draft-ietf-quic-multipath §4.2.1
 *
 * **Details**
 *
 * - `Unneeded`: it was closed without a complaint
 * - `Application`: an application called `abandon`
 * - `ResourceLimit`: one side has no room for it
 * - `UnstableOrPoor`: it did not answer, or its network was gone
 * - `NoConnectionId`: one side was given no connection ID for it
 * - `ConnectionOver`: the connection has ended
 * - `Unknown`: the peer gave another code
 *
 * @category models
 * @since 0.1.0
 */
export interface PathClosed {
  /** Who gave it up first, as far as this side knows. */
  readonly by: "local" | "peer"
  /** Why. */
  readonly reason:
    | "Unneeded"
    | "Application"
    | "ResourceLimit"
    | "UnstableOrPoor"
    | "NoConnectionId"
    | "ConnectionOver"
    | "Unknown"
  /** The code of PATH_ABANDON; 0 if the connection has ended. */
  readonly code: number
}

/**
 * A path of a connection, from `connection.openPath`, or `connection.path` for one that exists.
 *
 * **Details**
 *
 * Opening needs a `maxPaths` above 1 at both ends, and waits, for at most ten seconds, while the peer has provided no
 * connection ID for the path. The path is validated, then data is sent on all that are available, each time on the one that
 * would deliver it first. One that falls silent with data in flight gets none, its data is sent on others, and it comes back
 * when it answers. It is given up when it was silent for `maxIdleTimeout`, or a minute, if another answers. Its fiber
 * is below that of the connection and owns its socket.
 * A path that was silent for 15 seconds is sent a PING by the client, so that no NAT forgets it, while the connection
 * carries data or is kept alive (`keepAliveInterval`).
 * draft-ietf-quic-multipath
 *
 * **Example** (Both networks of a machine at once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import type { QuicConnection } from "effect-quic"
 *
 * const useBoth = Effect.fnUntraced(function* (connection: QuicConnection) {
 *   const mobile = yield* connection.openPath({ local: { host: "10.64.3.7" }, status: "backup" })
 *   yield* Effect.log(`round trip of ${mobile.info.smoothedRttMillis} ms`)
 *   yield* mobile.setStatus("available")
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class QuicPath {
  /** 0 for the path of the handshake; never used again after the path is over. */
  readonly id: number
  private readonly actor: ConnectionActor
  private readonly core: ConnectionPath

  /** Called by `QuicConnection`; not for applications. @internal */
  constructor(actor: ConnectionActor, core: ConnectionPath) {
    this.id = core.id
    this.actor = actor
    this.core = core
  }

  /** Its addresses, its state, and what has been measured on it; stays as it was when the path is over. */
  get info(): PathInfo {
    return pathInfo(this.actor.core, this.core)
  }

  /**
   * Asks the peer to use the path like others, or, as `"backup"`, only while no other works; this side does the same.
   *
   * **Errors**: `PathFailed` if it is over.
   */
  setStatus(status: "available" | "backup"): Effect.Effect<void, QuicError> {
    return attempt(this.actor, () => {
      if (this.core.status.isEnding) return Effect.fail(over())
      this.actor.core.multipath.setBackup(this.core, status === "backup")
      return undefined
    })
  }

  /**
   * Says what data on the path costs, compared to others, in any unit: 0 or more and finite, 0 until it is set. Data that
   * prefers the `"lowestCost"` goes by it, and so may a scheduler of your own. The peer does not learn of it.
   *
   * **Errors**: `InvalidOption`; `PathFailed` if it is over.
   */
  setCost(cost: number): Effect.Effect<void, QuicError> {
    return Effect.flatMap(check(CostSchema, cost, "cost"), (checked) =>
      attempt(this.actor, () => {
        if (this.core.status.isEnding) return Effect.fail(over())
        this.core.status.cost = checked
        return undefined
      })
    )
  }

  /**
   * Ends the use of the path, at both ends; what was in flight is sent on others. Does nothing if it is over.
   *
   * **Errors**: `PathFailed` with the outcome `LastPath`.
   */
  get abandon(): Effect.Effect<void, QuicError> {
    return attempt(this.actor, () => {
      const problem = "it is the only one; close the connection instead"
      return abandonPath(this.actor, this.core, AbandonCode.APPLICATION_ABANDON_PATH)
        ? undefined
        : Effect.fail(quicError(new PathFailed({ outcome: "LastPath", problem })))
    })
  }

  /** Waits until the path is over at both ends, or the connection is; returns who gave it up, and why. */
  get closed(): Effect.Effect<PathClosed> {
    return Effect.map(untilGone(this.actor, this.core), () => {
      const { abandonment } = this.core.status
      if (abandonment !== undefined) return { ...abandonment, reason: reasonOf(abandonment.code) }
      const by = this.actor.core.closeReason?.origin === "peer" ? "peer" : "local"
      return { by, reason: "ConnectionOver", code: 0 }
    })
  }
}

const reasonOf = (code: number): PathClosed["reason"] => {
  switch (code) {
    case AbandonCode.NO_ERROR:
      return "Unneeded"
    case AbandonCode.APPLICATION_ABANDON_PATH:
      return "Application"
    case AbandonCode.PATH_RESOURCE_LIMIT_REACHED:
      return "ResourceLimit"
    case AbandonCode.PATH_UNSTABLE_OR_POOR:
      return "UnstableOrPoor"
    case AbandonCode.NO_CID_AVAILABLE_FOR_PATH:
      return "NoConnectionId"
    default:
      return "Unknown"
  }
}

const over = (): QuicError =>
  quicError(new PathFailed({ outcome: "Abandoned", problem: "the path was abandoned" }))

/** Opens a path from another local address. */
export const openPath = (
  actor: ConnectionActor,
  options: OpenPathOptions
): Effect.Effect<QuicPath, QuicError> =>
  Effect.flatMap(check(OpenPathSchema, options), ({ local = {}, remote, status, cost = 0 }) =>
    open(
      actor,
      { where: local, remote, isBackup: status === "backup", cost },
      (core) => new QuicPath(actor, core)
    )
  )

/** The path with that number; undefined for one that is over or was never used. */
export const pathOf = (actor: ConnectionActor, id: number): QuicPath | undefined => {
  const core = actor.core.paths.byId(id)
  return core === undefined || core.status.state === "created" ? undefined : new QuicPath(actor, core)
}
