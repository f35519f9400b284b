import { StateMachine } from "../internal/TransitionTable.ts"
import { type BondingState, bondingTransitions } from "../path/bonding.ts"
import { LONGEST_BACKOFF_MICROS } from "../recovery/LossTimer.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { PathSet } from "./PathSet.ts"

/**
 * How often a silent path is probed at least, so that it is used as soon as it is back, however long it was gone. Nothing
 * else is sent on it, and after a minute it is given up.
 */
const LONGEST_PROBE_MICROS = 1_000_000

/** What the paths of a connection are together, and which of them carry its data. */
export class Bond extends StateMachine<BondingState> {
  private readonly paths: PathSet

  constructor(paths: PathSet) {
    super(bondingTransitions, "singlePath")
    this.paths = paths
  }

  /**
   * A path has joined or left, or its status is another one: decides anew. Returns the silent paths that carried data
   * until now, as there was none better.
   */
  update(): ReadonlyArray<ConnectionPath> {
    const { paths } = this
    const carriers = carriersAmong(paths.all)
    const relieved: Array<ConnectionPath> = []
    for (const path of paths) {
      const { status, recovery } = path
      const carried = status.carries
      status.carries = carriers.includes(path)
      if (carried && !status.carries && status.isSuspect) relieved.push(path)
      const isLookedFor = status.isSuspect && !status.carries
      recovery.timer.longestBackoffMicros = isLookedFor ? LONGEST_PROBE_MICROS : LONGEST_BACKOFF_MICROS
    }
    if (carriers.length > 0 && !carriers.includes(paths.active)) paths.active = carriers[0]
    this.to(this.next)
    return relieved
  }

  private get next(): BondingState {
    const { open } = this.paths
    const usable = open.filter(({ status }) => status.isUsable)
    if (usable.length > 1) return usable.some(({ status }) => status.isSuspect) ? "degraded" : "bonded"
    return open.length > usable.length ? "pending" : "singlePath"
  }
}

/**
 * Backups, and those that have fallen silent, carry data only while there is nothing better. draft-ietf-quic-multipath §5.6
 * While all are silent, one that has been so for longer has left a probe unanswered meanwhile, and is probably dead.
 */
const carriersAmong = (all: ReadonlyArray<ConnectionPath>): ReadonlyArray<ConnectionPath> => {
  const usable = all.filter(({ status }) => status.isUsable)
  const sound = usable.filter(({ status }) => !status.isSuspect)
  const preferred = sound.filter(({ status }) => status.state === "active" && !status.isPeerBackup)
  if (sound.length > 0) return preferred.length > 0 ? preferred : sound
  const latestMicros = Math.max(...usable.map(({ status }) => status.silentSinceMicros))
  return usable.filter(({ status }) => status.silentSinceMicros >= latestMicros - LONGEST_PROBE_MICROS)
}
