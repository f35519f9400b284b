/**
 * Finds direct paths for one connection: a fiber below that of the connection, which drives a pure `TraversalSession`.
 *
 * It ends with the connection. A defect in it is reported and leaves the connection as it is. What it has opened is a
 * path like others and stays when it ends; probes that are under way end by themselves.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { CandidateSource } from "../nat/CandidateSource.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import type { ConnectionPath } from "../connection/ConnectionPath.ts"
import { AbandonCode } from "../connection/Multipath.ts"
import { connectionProbeLimits, ProbeBudget, type ProbeCounters } from "../nat/ProbeBudget.ts"
import type { PhaseChange } from "../nat/phases.ts"
import { isInPrivateRange, type ProbeScope } from "../nat/probeScope.ts"
import type { OpenRequest } from "../nat/sessionOptions.ts"
import type { TraversalListener, TraversalPort } from "../nat/TraversalPort.ts"
import { TraversalSession } from "../nat/TraversalSession.ts"
import type { TraversalSettings } from "../nat/TraversalSettings.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { Branch } from "./Branch.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { abandonPath } from "./openPath.ts"
import { WaitList } from "./WaitList.ts"

/** What the connections of an endpoint find direct paths with. */
export interface TraversalPlace {
  readonly settings: TraversalSettings
  readonly candidates: CandidateSource
  /** What all of them together may probe. */
  readonly budget: ProbeBudget
  readonly random: RandomBytes
  /** Whether it is a name of ours for a peer behind a relay. */
  readonly isRelayed: (address: SocketAddress) => boolean
}

/** Who is told what the session does. */
export interface TraversalWitness {
  /** `probes` are counted as they are sent. */
  begin(session: TraversalSession, probes: ProbeCounters): void
  /** Each change, in order. */
  onChange(change: PhaseChange): void
}

/** A path that the session has asked for. */
interface Opening {
  readonly request: OpenRequest
  /** Undefined while it cannot be begun. */
  path: ConnectionPath | undefined
  /** The peer was told what is missing. */
  isTold: boolean
}

/** The connection must be established. Does nothing if the peer has not negotiated traversal. */
export const traverse = (
  actor: ConnectionActor,
  place: TraversalPlace,
  attach: (listener: TraversalListener, budget: ProbeBudget) => TraversalPort,
  witness: TraversalWitness
): Branch => {
  const life = Effect.suspend(() => {
    const traversal = new TraversalActor(actor, place, attach, witness)
    return traversal.isNegotiated ? traversal.life : Effect.void
  })
  return actor.branch.fork(life, (cause) => actor.report("direct paths are not looked for any more", cause))
}

class TraversalActor implements TraversalListener {
  readonly budget: ProbeBudget
  private readonly actor: ConnectionActor
  private readonly place: TraversalPlace
  private readonly port: TraversalPort
  private readonly session: TraversalSession
  private readonly witness: TraversalWitness
  private readonly woken = new WaitList()
  private hasNews = true
  private hasOwnNews = true
  private scope: ProbeScope
  private opening: Opening | undefined = undefined
  /** Direct paths that work. */
  private direct: ReadonlyArray<ConnectionPath> = []

  constructor(
    actor: ConnectionActor,
    place: TraversalPlace,
    attach: Parameters<typeof traverse>[2],
    witness: TraversalWitness
  ) {
    this.actor = actor
    this.place = place
    this.witness = witness
    this.scope = { isPrivateAllowed: false, isRelayed: place.isRelayed }
    this.budget = new ProbeBudget(connectionProbeLimits, place.budget)
    this.port = attach(this, this.budget)
    const options = {
      ...place.settings,
      scope: () => this.scope,
      random: place.random,
      roundTripMicros: () => actor.core.path.recovery.rtt.smoothedMicros
    }
    this.session = new TraversalSession(this.port, options, actor.now())
  }

  get isNegotiated(): boolean {
    return this.port.maxCandidates > 0
  }

  get life(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { actor, place, session } = this
      this.witness.begin(session, this.budget.counters)
      const wake = () => this.wake()
      const unwatch = place.candidates.watch(() => {
        this.hasOwnNews = true
        wake()
      })
      // paths come and go, and the end of the connection
      let leave = () => {}
      const listen = () => {
        leave = actor.path.moved.listen(() => {
          listen()
          wake()
        })
      }
      listen()
      const release = Effect.sync(() => {
        unwatch()
        leave()
      })
      return Effect.ensuring(this.turns, release)
    })
  }

  private get turns(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { actor, session, woken } = this
      if (actor.isOver) return Effect.void
      this.hasNews = false
      this.turn(actor.now())
      const news = woken.parkThen(Effect.void, () => {
        if (this.hasNews) woken.wakeAll()
      })
      const waitMicros = session.deadlineMicros - actor.now()
      if (waitMicros === Number.POSITIVE_INFINITY) return Effect.andThen(news, this.turns)
      // rounded up: who wakes too early finds nothing to do, and waits for nothing
      const wait = Duration.micros(BigInt(Math.max(1, Math.ceil(waitMicros))))
      return Effect.andThen(Effect.timeoutOption(news, wait), this.turns)
    })
  }

  private wake(): void {
    this.hasNews = true
    this.woken.wakeAll()
  }

  private turn(nowMicros: number): void {
    const { session, place } = this
    if (this.hasOwnNews) this.lookAtOwn(nowMicros)
    this.lookAtPaths(nowMicros)
    session.drive(nowMicros)
    for (let change = session.pollChange(); change !== undefined; change = session.pollChange()) {
      if (change.to === "Synchronization") place.candidates.countCoordination()
      this.witness.onChange(change)
    }
    const request = session.pollOpen()
    if (request !== undefined) this.opening = { request, path: undefined, isTold: false }
    if (this.opening !== undefined) this.open(this.opening, nowMicros)
  }

  private lookAtOwn(nowMicros: number): void {
    const { place, session } = this
    this.hasOwnNews = false
    const { current } = place.candidates
    const isPrivateAllowed =
      place.settings.allowPrivate ?? isInPrivateRange(current.hosts.map(({ address }) => address.host))
    this.scope = { ...this.scope, isPrivateAllowed }
    session.handleOwnAddresses(current, nowMicros)
  }

  /** A path that has fallen silent is as good as lost: the relay carries, and another attempt is made meanwhile. */
  private lookAtPaths(nowMicros: number): void {
    const { actor, place, session, direct, opening } = this
    const isDirect = ({ remote }: ConnectionPath) => !place.isRelayed(remote)
    const all = actor.core.paths.open.filter(isDirect)
    this.direct = all.filter(({ status }) => status.isUsable && !status.isSuspect)
    if (this.direct.some((path) => !direct.includes(path))) {
      session.handleDirectUp(nowMicros)
      // one that was lost has been replaced; only clients open paths, and know
      if (actor.core.config.role === "client")
        for (const path of all)
          if (path.status.isSuspect) abandonPath(actor, path, AbandonCode.PATH_UNSTABLE_OR_POOR)
    } else if (this.direct.length === 0 && direct.length > 0) session.handleDirectDown(nowMicros)
    if (opening?.path === undefined) return
    const { status } = opening.path
    if (status.isEnding) {
      this.opening = undefined
      session.handleOpenFailed(nowMicros)
    } else if (status.isUsable) this.opening = undefined
  }

  private open(opening: Opening, nowMicros: number): void {
    const { actor, session } = this
    const { multipath, paths } = actor.core
    if (opening.path !== undefined) return
    if (session.phase !== "Validation") {
      this.opening = undefined
      return
    }
    const { remote, socket } = opening.request
    const there = paths.open.find((path) => !path.status.isSuspect && sameAddress(path.remote, remote))
    const opened = there ?? multipath.open(remote, socket, nowMicros)
    if (typeof opened !== "string") {
      opening.path = opened
      return actor.touch()
    }
    if (opened !== "limit" && opened !== "noConnectionId") {
      this.opening = undefined
      return session.handleOpenFailed(nowMicros)
    }
    // no more than once: what is sent has us look again
    if (!opening.isTold) this.makeRoom(opened)
    opening.isTold = true
    actor.signals.driven.listen(() => this.wake())
  }

  /** A path that has fallen silent is given up for another one; connection IDs come by themselves. */
  private makeRoom(refusal: "limit" | "noConnectionId"): void {
    const { actor, place } = this
    const { multipath, paths } = actor.core
    const silent = paths.open.find((path) => path.status.isSuspect && !place.isRelayed(path.remote))
    if (silent !== undefined) abandonPath(actor, silent, AbandonCode.PATH_UNSTABLE_OR_POOR)
    multipath.tellBlocked(refusal)
    actor.touch()
  }

  // — what the connection tells, outside of the core ——————————————————————————————————————————————————————————

  onAddressAdvertised(seq: number, address: SocketAddress): void {
    this.session.handleAdvertised(seq, address, this.actor.now())
    this.wake()
  }

  onAddressWithdrawn(seq: number): void {
    this.session.handleWithdrawn(seq, this.actor.now())
    this.wake()
  }

  onReachOut(round: number, address: SocketAddress): void {
    this.session.handleReachOut(round, address, this.actor.now())
    this.wake()
  }

  onProbeAnswered(remote: SocketAddress, socket: number, rttMicros: number): void {
    this.session.handleProbeAnswered(remote, socket, rttMicros, this.actor.now())
    this.wake()
  }

  onProbeFailed(remote: SocketAddress, socket: number): void {
    this.session.handleProbeFailed(remote, socket, this.actor.now())
    this.wake()
  }

  onPeerProbe(remote: SocketAddress): void {
    this.session.handlePeerProbe(remote, this.actor.now())
    this.wake()
  }

  /** What the peer sees is of use to those who reach us as it does: nobody but itself, on a path that exists. */
  onObservedAddress(): void {}
}
