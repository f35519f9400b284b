import type { ConnectionPath } from "./ConnectionPath.ts"

/** The state of a path as its application sees it. */
export type ShownPathState = "active" | "standby" | "migrating" | "validating" | "closing"

export const shownPathState = ({ status, routes }: ConnectionPath): ShownPathState => {
  if (status.isEnding) return "closing"
  if (!status.isUsable) return "validating"
  if (routes.isMoving) return "migrating"
  return status.state === "standby" ? "standby" : "active"
}
