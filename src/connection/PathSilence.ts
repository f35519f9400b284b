import { Space } from "../wire/PacketType.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { IdleTimer } from "./IdleTimer.ts"
import type { PathSet } from "./PathSet.ts"
import type { LossOwners } from "./settleLost.ts"

/** What is needed of the connection. */
interface SilentPaths {
  readonly frames: Pick<LossOwners["frames"], "onLost">
  readonly paths: PathSet
  readonly idle: IdleTimer
}

/**
 * Consecutive probe timeouts after which nothing new is entrusted to a path. The first comes after about two round trips of
 * silence; if it was wrong, the next acknowledgement says so.
 */
const SUSPECT_TIMEOUTS = 1
/** The same while the peer is heard on it: an acknowledgement was lost, or it works in one direction only. */
const HEARD_TIMEOUTS = 2
/** The same for a path on which more is sent all the time, in PTOs: as long as two timeouts take. */
const UNANSWERED_FACTOR = 3
/** Packets of which nothing is heard for a PTO, nor anything else: so many are not lost by accident. */
const UNANSWERED_PACKETS = 8
/** A path that is silent for the idle timeout is given up, and after a minute even if that is longer. */
const LONGEST_SILENCE_MICROS = 60_000_000

/**
 * Which of several paths have fallen silent: nothing new is entrusted to them as long as another answers, and what was in
 * flight on them goes over others.
 */
export class PathSilence {
  private readonly parts: SilentPaths
  private readonly onChange: () => void

  constructor(parts: SilentPaths, onChange: () => void) {
    this.parts = parts
    this.onChange = onChange
  }

  /** A probe timeout. */
  onProbeTimeout(path: ConnectionPath, nowMicros: number): void {
    if (!this.mayFallSilent(path)) return
    if (path.recovery.ptoCount >= (isHeard(path) ? HEARD_TIMEOUTS : SUSPECT_TIMEOUTS))
      this.suspect(path, nowMicros)
  }

  /** A timer has expired. Returns whether the path is to be given up. */
  onTimeout(path: ConnectionPath, nowMicros: number, ptoMicros: number): boolean {
    if (nowMicros >= this.unansweredDeadline(path)) this.suspect(path, nowMicros)
    return nowMicros >= this.deadline(path, ptoMicros)
  }

  /** Each packet restarts the PTO, so a trickle of them would hide that nothing is answered. */
  unansweredDeadline(path: ConnectionPath): number {
    if (!this.mayFallSilent(path)) return Number.POSITIVE_INFINITY
    const { recovery } = path
    const since = recovery.timer.unansweredMicros
    const isDoubtful = recovery.packetsInFlight < UNANSWERED_PACKETS || isHeardSince(path, since)
    return since + (isDoubtful ? UNANSWERED_FACTOR : 1) * recovery.ptoMicros()
  }

  private mayFallSilent({ status }: ConnectionPath): boolean {
    return status.isUsable && !status.isSuspect && this.parts.paths.hasSeveralOpen
  }

  /** Whatever is in flight on a silent path is sent again on others. */
  private suspect(path: ConnectionPath, nowMicros: number): void {
    const { status } = path
    status.silentSinceMicros = nowMicros
    status.repeatedNumber = -1
    this.repeat(path)
    this.onChange()
  }

  /** Sends again what is in flight on a silent path and has not been. */
  repeat(path: ConnectionPath): void {
    const { status, recovery } = path
    let number = status.repeatedNumber
    for (let at = recovery.oldestOutstanding(Space.Application); at !== undefined; at = at.next) {
      if (at.packetNumber <= number) continue
      this.parts.frames.onLost(path, at)
      number = at.packetNumber
    }
    status.repeatedNumber = number
  }

  /** Packets of a path were acknowledged. */
  onAcked(path: ConnectionPath): void {
    if (!path.status.isSuspect || path.recovery.ptoCount > 0) return
    path.status.silentSinceMicros = Number.POSITIVE_INFINITY
    this.onChange()
  }

  /** When a path that has fallen silent is given up. Never while it moves, or while no other answers. */
  deadline({ status, routes }: ConnectionPath, ptoMicros: number): number {
    const { paths, idle } = this.parts
    if (!status.isSuspect || !status.isUsable || routes.isMoving) return Number.POSITIVE_INFINITY
    if (!paths.all.some((other) => other.status.isUsable && !other.status.isSuspect))
      return Number.POSITIVE_INFINITY
    const longest = Math.max(LONGEST_SILENCE_MICROS, 3 * ptoMicros)
    return status.silentSinceMicros + Math.min(idle.longestSilence(ptoMicros), longest)
  }
}

const isHeard = (path: ConnectionPath): boolean => isHeardSince(path, path.recovery.timer.lastElicitingMicros)

/**
 * Whether something has arrived that was sent after the peer could have had a packet of then: a path that died when we
 * sent that delivers for half a round trip at most.
 */
const isHeardSince = ({ status, recovery }: ConnectionPath, micros: number): boolean =>
  status.arrivedMicros > micros + recovery.rtt.smoothedMicros / 2
