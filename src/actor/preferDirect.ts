import type { ConnectionPath } from "../connection/ConnectionPath.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"

/** Whether a path goes through a relay. */
export const isRelayed = ({ remote }: ConnectionPath): boolean => remote.relayed !== undefined

/** A relayed path is a backup for as long as a direct one exists. Each side says so for what it sends. */
export const preferDirect = (actor: ConnectionActor): void => {
  const { multipath, paths } = actor.core
  if (actor.failure !== undefined || !multipath.isNegotiated) return
  const usable = paths.open.filter(({ status }) => status.isUsable)
  const hasDirect = usable.some((path) => !isRelayed(path))
  for (const path of usable) {
    if (!isRelayed(path) || path.status.isBackup === hasDirect) continue
    multipath.setBackup(path, hasDirect)
    actor.touch()
  }
}
