import type { PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { CryptoSuiteShape } from "../capability/CryptoSuite.ts"
import type { MigrationReason } from "../path/migrationReason.ts"
import type { Route, SocketNumber } from "../path/Route.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type {
  CandidateInfo,
  MigrationEntry,
  MigrationOutcome,
  MigrationStep,
  PathEnds
} from "./MigrationEntry.ts"
import type { PacketObserver } from "./PacketObserver.ts"
import { verifierContext } from "./verifierContext.ts"

/** Older entries are dropped: the peer decides how many there are. */
export const MAX_TRACE_ENTRIES = 64

interface TracedPath {
  readonly routes: { readonly current: Route }
}

/** What a trace needs of its connection. */
export interface TracedConnection {
  readonly config: {
    readonly suite: CryptoSuiteShape
    readonly observer: PacketObserver | undefined
    readonly addressOf: (socket: SocketNumber) => SocketAddress
  }
  readonly paths: { readonly active: TracedPath; readonly all: ReadonlyArray<TracedPath> }
  readonly keys: { readonly phases: { readonly updates: number } }
  readonly handshake: { readonly facts: { readonly peer: PeerCertificate | undefined } | undefined }
  readonly events: Array<ConnectionEvent>
}

/**
 * The latest migrations and key updates of a connection, numbered. Nothing is recorded per packet.
 *
 * A move is `requested` and, in either order, `validated` and `committed`; or it ends with `rejected`. After that the
 * connection is where it was, unless no way back is left.
 */
export class MigrationTrace {
  private readonly connection: TracedConnection
  private readonly startMicros: number
  /** Grows as needed, then used as a ring: entry `number` is at `(number − 1) % MAX_TRACE_ENTRIES`. */
  private readonly entries: Array<MigrationEntry> = []
  private count = 0
  /** The peer `context` is about. */
  private peer: PeerCertificate | undefined = undefined
  private context: string | undefined = undefined

  constructor(connection: TracedConnection, nowMicros: number) {
    this.connection = connection
    this.startMicros = nowMicros
  }

  /** The number of the newest entry; 0 for none. */
  get last(): number {
    return this.count
  }

  /** The oldest entry kept whose number is at least `number`. */
  from(number: number): MigrationEntry | undefined {
    const first = Math.max(number, this.count - MAX_TRACE_ENTRIES + 1, 1)
    return first > this.count ? undefined : this.entries[(first - 1) % MAX_TRACE_ENTRIES]
  }

  /** How the latest failed move from this address of ours ended. */
  rejectionAt(local: SocketAddress): MigrationOutcome | undefined {
    for (let number = this.count; number > this.count - this.entries.length; number--) {
      const { _tag, to, outcome } = this.entries[(number - 1) % MAX_TRACE_ENTRIES]
      if (_tag === "Rejected" && sameAddress(to.local, local)) return outcome
    }
    return undefined
  }

  /** A move from one route to another is wanted. */
  requested(reason: MigrationReason, from: Route, to: Route, nowMicros: number): void {
    this.add("Requested", reason, from, to, "Pending", nowMicros)
  }

  /** `to` is validated. */
  validated(reason: MigrationReason, from: Route, to: Route, nowMicros: number): void {
    this.add("PathValidated", reason, from, to, this.isCurrent(to) ? "Complete" : "Pending", nowMicros)
  }

  /** `to` has become the current route. */
  committed(reason: MigrationReason, from: Route, to: Route, nowMicros: number): void {
    this.add("Committed", reason, from, to, to.isProven ? "Complete" : "Unvalidated", nowMicros)
  }

  /** The move has failed. To be called while `to` is still the current route, if it is. */
  rejected(
    reason: MigrationReason,
    from: Route,
    to: Route,
    outcome: "TimedOut" | "Abandoned" | "Superseded",
    nowMicros: number
  ): void {
    this.add("Rejected", reason, from, to, outcome, nowMicros)
  }

  /** The keys of the phase that has just begun are in use. */
  keyUpdate(outcome: "Initiated" | "Followed", nowMicros: number): void {
    const { current } = this.connection.paths.active.routes
    this.add("KeyUpdate", undefined, current, current, outcome, nowMicros)
  }

  private add(
    _tag: MigrationStep,
    reason: MigrationReason | undefined,
    from: Route,
    to: Route,
    outcome: MigrationOutcome,
    nowMicros: number
  ): void {
    const { config, keys, events } = this.connection
    const entry = {
      _tag,
      number: ++this.count,
      timeMillis: (nowMicros - this.startMicros) / 1000,
      from: this.endsOf(from),
      to: this.endsOf(to),
      reason,
      candidate: this.candidateOf(to),
      outcome,
      keyPhase: keys.phases.updates,
      verifierContext: this.verifierContext
    }
    const qlog = config.observer?.traced(entry, this.isCurrent(to), nowMicros)
    this.entries[(entry.number - 1) % MAX_TRACE_ENTRIES] = { ...entry, qlog }
    events.push({ _tag: "traced" })
  }

  private isCurrent(route: Route): boolean {
    return this.connection.paths.all.some(({ routes }) => routes.current === route)
  }

  private candidateOf({ candidate }: Route): CandidateInfo | undefined {
    if (candidate === undefined) return undefined
    const { id, rank, label, observedAtMicros } = candidate
    return { id, rank, label, observedAtMillis: (observedAtMicros - this.startMicros) / 1000 }
  }

  // resolved at once: the socket may be closed by the time the entry is read
  private endsOf({ socket, remote }: Route): PathEnds {
    return { local: this.connection.config.addressOf(socket), remote }
  }

  /** As what the peer is authenticated. */
  get verifierContext(): string {
    const { handshake, config } = this.connection
    const peer = handshake.facts?.peer
    if (this.context !== undefined && peer === this.peer) return this.context
    this.peer = peer
    return (this.context = verifierContext(peer, config.suite))
  }
}
