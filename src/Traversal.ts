/**
 * How a connection that began through a relay finds a direct path: its state, what it tries, and each step as it happens.
 *
 * The sides tell each other their candidates, which are addresses they may be reached at, and probe each other's at the same
 * time, so that the NATs on both sides let the probes through. A direct path that works is used at once and the relay kept
 * as a backup; when it is lost, data takes the relay again and another attempt is made.
 *
 * **Example** (Waiting for a direct path)
 *
 * ```ts
 * import { Stream } from "effect"
 * import type { QuicConnection } from "effect-quic"
 *
 * const untilDirect = (connection: QuicConnection) =>
 *   connection.traversal.events.pipe(
 *     Stream.takeUntil(({ to }) => to === "Connected"),
 *     Stream.runDrain
 *   )
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import type { NumberedChange } from "./actor/TraversalRecord.ts"
import type * as Candidates from "./nat/candidates.ts"
import type { CandidatePair } from "./nat/CandidatePairs.ts"
import type { PairState } from "./nat/pairState.ts"
import type { Phase, PhaseReason } from "./nat/phases.ts"
import type { QuicError } from "./QuicError.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

export type { CandidateKind } from "./nat/candidates.ts"
export type { PairState } from "./nat/pairState.ts"
export type { Phase, PhaseReason } from "./nat/phases.ts"

/**
 * An address at which one of the sides may be reached.
 *
 * @category models
 * @since 0.1.0
 */
export interface Candidate {
  /** How it was learned; of the peer's, as far as that can be told. */
  readonly kind: Candidates.CandidateKind
  /** The address. */
  readonly address: SocketAddress
  /** 1 to 2³¹ − 1, the highest best. RFC 8445 §5.1.2.1 */
  readonly priority: number
}

/**
 * What a connection is doing, as far as it concerns NATs.
 *
 * **Details**
 *
 * - `Connecting`: the handshake is not complete
 * - `Idle`: connected, and no direct path is looked for: the endpoint or the peer does not do so
 * - `Connected`: data takes a direct path, or the relay
 * - `Migrating`: data takes the relay or a path before, and a direct path is being opened
 * - `Closed`: the connection has ended, because of `reason`
 *
 * @category models
 * @since 0.1.0
 */
export type TraversalState =
  | {
      /** The handshake is not complete. */
      readonly _tag: "Connecting"
    }
  | {
      /** No direct path is looked for. */
      readonly _tag: "Idle"
    }
  | {
      /** Data flows. */
      readonly _tag: "Connected"
      /** By a direct path, not by the relay. */
      readonly isDirect: boolean
    }
  | {
      /** A direct path is being opened. */
      readonly _tag: "Migrating"
      /** How far it has come. */
      readonly phase: Phase
    }
  | {
      /** The connection has ended. */
      readonly _tag: "Closed"
      /** Why. */
      readonly reason: QuicError
    }

/**
 * A change of the phase.
 *
 * @category models
 * @since 0.1.0
 */
export interface TraversalEvent {
  /** From 1, without gaps. */
  readonly number: number
  /** The phase before. */
  readonly from: Phase
  /** The phase from now on. */
  readonly to: Phase
  /** Why it changed. */
  readonly reason: PhaseReason
  /** Of the attempt, from 1; 0 before the first. */
  readonly round: number
  /** Time since the connection was made. */
  readonly atMillis: number
}

/**
 * One of this side's sockets and an address that the peer may have.
 *
 * @category models
 * @since 0.1.0
 */
export interface PairInfo {
  /** This side's best candidate of that socket. */
  readonly local: Candidate
  /** The candidate of the peer. */
  readonly remote: Candidate
  /** How far it has come. */
  readonly state: PairState
  /** The highest is tried first. RFC 8445 §6.1.2.3 */
  readonly priority: bigint
  /** Of its last answer; undefined before one. */
  readonly rttMillis: number | undefined
}

/**
 * What a connection has done to find direct paths, as counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface TraversalStatistics {
  /** Rounds of probing. */
  readonly attempts: number
  /** Rounds that have led to a direct path. */
  readonly successes: number
  /** How often the connection has become direct, with or without a round. */
  readonly direct: number
  /** How often it was left to the relay. */
  readonly relayed: number
  /** Of the last round: from the exchange of candidates to the first probe. Undefined before one. */
  readonly coordinationMillis: number | undefined
  /** From the beginning to the first direct path. Undefined before that. */
  readonly firstDirectMillis: number | undefined
  /** What was sent to find out which addresses can be reached. */
  readonly probes: ProbeStatistics
}

/**
 * What a connection has probed, as counted. The probes of a path that is validated are not among them.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProbeStatistics {
  /** Datagrams sent. */
  readonly sent: number
  /** Their UDP payload: the most that such a datagram may have. */
  readonly bytes: number
  /** Pairs of addresses that have answered, once in each round. */
  readonly answered: number
  /** Addresses probed, each once an hour. */
  readonly addresses: number
  /** Times that a limit forbade an address or a datagram; a datagram may be sent later. */
  readonly refused: number
}

/**
 * The NAT traversal of a connection: `connection.traversal`.
 *
 * @category models
 * @since 0.1.0
 */
export class Traversal {
  private readonly actor: ConnectionActor

  /** Called by `QuicConnection`; not for applications. @internal */
  constructor(actor: ConnectionActor) {
    this.actor = actor
  }

  /** What the connection is doing now. */
  get state(): TraversalState {
    const { actor, phase } = this
    const { failure } = actor
    if (failure !== undefined) return { _tag: "Closed", reason: reasonOf(failure) }
    if (!actor.core.handshake.complete) return { _tag: "Connecting" }
    if (phase === undefined) return { _tag: "Idle" }
    return isMoving(phase)
      ? { _tag: "Migrating", phase }
      : { _tag: "Connected", isDirect: phase === "Connected" }
  }

  /** Where it is on its way to a direct path; undefined if none is looked for. */
  get phase(): Phase | undefined {
    return this.session?.phase
  }

  /** The number of the last attempt, from 1; 0 before the first. */
  get round(): number {
    return this.session?.round ?? 0
  }

  /** The addresses that this side names to the peer, the best first. */
  get localCandidates(): ReadonlyArray<SocketAddress> {
    return this.session?.named ?? []
  }

  /** Addresses at which the peer may be, by what it names and where it is seen. */
  get remoteCandidates(): ReadonlyArray<Candidate> {
    return (this.session?.remotes.all ?? []).map(candidateInfo)
  }

  /** The pairs of candidates, the best first. */
  get pairs(): ReadonlyArray<PairInfo> {
    return (this.session?.pairs.all ?? []).map(pairInfo)
  }

  /** What was counted so far; it can still be read after the end of the connection. */
  get statistics(): TraversalStatistics {
    const counts = this.session?.counts
    const probes = this.actor.traversal?.probes
    const { attempts = 0, successes = 0, direct = 0, relayed = 0 } = counts ?? {}
    return {
      attempts,
      successes,
      direct,
      relayed,
      coordinationMillis: millis(counts?.coordinationMicros),
      firstDirectMillis: millis(counts?.firstDirectMicros),
      probes: {
        sent: probes?.probes ?? 0,
        bytes: probes?.bytes ?? 0,
        answered: probes?.answered ?? 0,
        addresses: probes?.addresses ?? 0,
        refused: Object.values(probes?.refused ?? {}).reduce((sum, count) => sum + count, 0)
      }
    }
  }

  /**
   * Every change of the phase; ends with the connection.
   *
   * Begins with the oldest of the latest 64, which are kept. A subscriber that falls further behind finds a gap in the
   * numbers.
   *
   * **Interruption**: stops watching, and leaves nothing behind.
   */
  get events(): Stream.Stream<TraversalEvent> {
    const { actor } = this
    const record = actor.traversal
    return Stream.unfold(1, (next) => {
      const look: Effect.Effect<readonly [TraversalEvent, number] | undefined> = Effect.suspend(() => {
        const found = record?.from(next)
        if (found !== undefined)
          return Effect.succeed([eventOf(found, actor.sinceMicros), found.number + 1] as const)
        if (actor.isOver) return Effect.undefined
        const ended = actor.signals.closed.park
        return Effect.andThen(
          record === undefined ? ended : Effect.raceFirst(record.changes.next, ended),
          look
        )
      })
      return look
    })
  }

  private get session() {
    return this.actor.traversal?.session
  }
}

const millis = (micros: number | undefined): number | undefined =>
  micros === undefined ? undefined : micros / 1000

const isMoving = (phase: Phase): boolean =>
  phase === "Synchronization" || phase === "Punching" || phase === "Validation"

const reasonOf = (failure: Effect.Effect<never, QuicError>): QuicError => Effect.runSync(Effect.flip(failure))

const eventOf = ({ number, change }: NumberedChange, sinceMicros: number): TraversalEvent => {
  const { from, to, reason, round, atMicros } = change
  return { number, from, to, reason, round, atMillis: (atMicros - sinceMicros) / 1000 }
}

const pairInfo = ({ local, remote, state, priority, roundTripMicros }: CandidatePair): PairInfo => ({
  local: candidateInfo(local),
  remote: candidateInfo(remote),
  state,
  priority,
  rttMillis: millis(roundTripMicros)
})

const candidateInfo = ({ kind, address, priority }: Candidates.Candidate): Candidate => ({
  kind,
  address,
  priority
})
