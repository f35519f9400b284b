/**
 * The paths of a connection, its migrations, and the phase of its keys.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import type { Connection } from "./connection/Connection.ts"
import type { ConnectionPath } from "./connection/ConnectionPath.ts"
import type { MigrationEntry, PathEnds } from "./connection/MigrationEntry.ts"
import { shownPathState } from "./connection/shownPathState.ts"
import type { KeyPhaseState } from "./connection/KeyPhases.ts"
import type { BondingState } from "./path/bonding.ts"
import type { Route } from "./path/Route.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"
import { type PathMeasurements, pathMeasurements } from "./PathMeasurements.ts"

export type {
  CandidateInfo,
  MigrationEntry,
  MigrationOutcome,
  MigrationStep,
  PathEnds,
  QlogPointer
} from "./connection/MigrationEntry.ts"
export type { KeyPhaseState } from "./connection/KeyPhases.ts"
export type { BondingState } from "./path/bonding.ts"
export type { MigrationReason } from "./path/migrationReason.ts"

/**
 * A pair of addresses that a path can use.
 *
 * @category models
 * @since 0.1.0
 */
export interface PathAddresses extends PathEnds {
  /** Whether the peer has shown that it receives there: by the handshake, or by its answer to a challenge. RFC 9000 §8 */
  readonly isValidated: boolean
}

/**
 * A snapshot of one path: its addresses, and what has been measured on it. Sizes are in bytes, durations in
 * milliseconds, counts since the start.
 *
 * **Example** (Waiting until a connection has left an address)
 *
 * ```ts
 * import { Stream } from "effect"
 * import type { QuicConnection } from "effect-quic"
 *
 * const left = (connection: QuicConnection, host: string) =>
 *   connection.pathChanges.pipe(
 *     Stream.takeUntil((paths) => paths.every(({ local }) => local.host !== host)),
 *     Stream.runDrain
 *   )
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface PathInfo extends PathAddresses, PathMeasurements {
  /** 0 for the path that the handshake has made. It stays the same when the path moves to other addresses. */
  readonly id: number
  /**
   * - `"active"`: used; `"standby"`: only while no other path works
   * - `"migrating"`: the addresses in use, or those it moves to, are being validated
   * - `"validating"`: it was opened, and the peer has not answered yet; `"closing"`: it was abandoned
   */
  readonly state: "active" | "standby" | "migrating" | "validating" | "closing"
  /**
   * Where the peer sees this side's packets come from, beyond any NAT; undefined until it says so, which takes
   * `addressDiscovery` at both ends. A peer may lie.
   */
  readonly observedAddress: SocketAddress | undefined
  /** Whether data is sent on it now. Not on one that has fallen silent, or that the peer wants kept as a backup. */
  readonly carriesData: boolean
  /** Whether it has left probes unanswered: data goes on others, and it comes back when it answers. */
  readonly isSilent: boolean
  /** What part of what all paths may send at once is its own, 0 to 1: its congestion window for each round trip. */
  readonly share: number
  /** Of data on it, compared to other paths: see `QuicPath.setCost`. */
  readonly cost: number
  /** Other addresses: those being probed, and those it returns to if the new ones do not answer. */
  readonly alternatives: ReadonlyArray<PathAddresses>
}

/**
 * The keys that packets are sealed with. RFC 9001 §6
 *
 * **Details**
 *
 * - `settled`: the peer uses them too
 * - `requested`: `updateKeys` waits for the first packet for which the protocol allows it: when the handshake is confirmed,
 *   the peer has acknowledged the keys in use, and three probe timeouts have passed since the last update
 * - `committing`: they are new, and the peer has not yet acknowledged a packet sealed with them
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyPhase {
  /** Key updates so far, by either side. */
  readonly number: number
  /** Whether they are changing. */
  readonly state: KeyPhaseState
}

export const keyPhase = ({ core }: ConnectionActor): KeyPhase => {
  const { updates, state } = core.keys.phases
  return { number: updates, state }
}

/** Those that have been used. */
export const pathInfos = ({ core }: ConnectionActor): ReadonlyArray<PathInfo> =>
  core.paths.used.map((path) => pathInfo(core, path))

export const pathInfo = (core: Connection, path: ConnectionPath): PathInfo => {
  const addressesOf = ({ socket, remote, isProven }: Route): PathAddresses => ({
    local: core.config.addressOf(socket),
    remote,
    isValidated: isProven
  })
  const { current, all } = path.routes
  return {
    id: path.id,
    ...addressesOf(current),
    state: shownPathState(path),
    observedAddress: path.routes.observation?.own,
    carriesData: path.status.carries,
    isSilent: path.status.isSuspect,
    share: shareOf(core, path),
    cost: path.status.cost,
    alternatives: all.filter((route) => route !== current).map(addressesOf),
    ...pathMeasurements(path)
  }
}

/** Measured again with every look: it changes as paths join, leave, fall silent, and change their status. */
const shareOf = ({ paths }: Connection, path: ConnectionPath): number => {
  if (!path.status.carries) return 0
  const rateOf = ({ recovery }: ConnectionPath) => recovery.congestionWindow / recovery.rtt.smoothedMicros
  const carriers = paths.all.filter(({ status }) => status.carries)
  return rateOf(path) / carriers.reduce((sum, each) => sum + rateOf(each), 0)
}

/** The paths now, and whenever their addresses or states have changed, until the connection ends. */
export const pathChanges = (actor: ConnectionActor): Stream.Stream<ReadonlyArray<PathInfo>> =>
  changes(
    actor,
    () => pathInfos(actor),
    (paths) => JSON.stringify(paths.map(identity))
  )

/** What the paths are together, now and whenever that changes, until the connection ends. */
export const bondingChanges = (actor: ConnectionActor): Stream.Stream<BondingState> =>
  changes(
    actor,
    () => actor.core.multipath.bond.state,
    (state) => state
  )

/** What is found now, and whenever something else is, until the connection ends. */
const changes = <A>(actor: ConnectionActor, find: () => A, identityOf: (found: A) => string) =>
  Stream.unfold("", (before) => {
    const look: Effect.Effect<readonly [A, string] | undefined> = Effect.suspend(() => {
      const found = find()
      const now = identityOf(found)
      if (now !== before) return Effect.succeed([found, now] as const)
      return actor.isOver ? Effect.undefined : actor.path.moved.parkThen(look)
    })
    return look
  })

/** What a change of is a change of the path; what is measured changes all the time. */
const identity = (path: PathInfo) => {
  const { id, local, remote, isValidated, state, isSilent, carriesData, alternatives, observedAddress } = path
  return { id, local, remote, isValidated, state, isSilent, carriesData, alternatives, observedAddress }
}

/** The trace as far as it is kept, and what follows, until the connection ends. */
export const migrations = (actor: ConnectionActor): Stream.Stream<MigrationEntry> =>
  Stream.unfold(1, (next) => {
    const look: Effect.Effect<readonly [MigrationEntry, number] | undefined> = Effect.suspend(() => {
      const entry = actor.core.parts.migrationTrace.from(next)
      if (entry !== undefined) return Effect.succeed([entry, entry.number + 1] as const)
      return actor.isOver ? Effect.undefined : actor.path.moved.parkThen(look)
    })
    return look
  })
