import { StateMachine } from "../internal/TransitionTable.ts"
import { type BondingState, bondingTransitions } from "../path/bonding.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"
import type { PathSet } from "./PathSet.ts"

/** What the paths of a connection are together, and which of them carry its data. */
export class Bond extends StateMachine<BondingState> {
  private readonly paths: PathSet

  constructor(paths: PathSet) {
    super(bondingTransitions, "singlePath")
    this.paths = paths
  }

  /** A path has joined or left, or its status is another one: decides anew. */
  update(): void {
    const { paths } = this
    const carriers = carriersAmong(paths.all)
    for (const path of paths) path.status.carries = carriers.includes(path)
    if (carriers.length > 0 && !carriers.includes(paths.active)) paths.active = carriers[0]
    this.to(this.next)
  }

  private get next(): BondingState {
    const { open } = this.paths
    const usable = open.filter(({ status }) => status.isUsable)
    if (usable.length > 1) return usable.some(({ status }) => status.isSuspect) ? "degraded" : "bonded"
    return open.length > usable.length ? "pending" : "singlePath"
  }
}

/** Backups, and those that have fallen silent, carry data only while there is nothing better. draft-ietf-quic-multipath §5.6 */
const carriersAmong = (all: ReadonlyArray<ConnectionPath>): ReadonlyArray<ConnectionPath> => {
  const usable = all.filter(({ status }) => status.isUsable)
  const sound = usable.filter(({ status }) => !status.isSuspect)
  const preferred = sound.filter(({ status }) => status.state === "active" && !status.isPeerBackup)
  return preferred.length > 0 ? preferred : sound.length > 0 ? sound : usable
}
