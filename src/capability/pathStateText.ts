import type { ConnectionNode, PathNode } from "./treeNodes.ts"

/** Of a path. One that is used, and carries nothing, though it answers, the peer wants kept as a backup. */
export const stateOf = ({ state, carriesData, isSilent }: PathNode): string => {
  if (isSilent && state !== "closing") return `${state}, silent`
  return state === "active" && !carriesData ? "active, carries nothing" : state
}

const bondings = { singlePath: "", pending: "pending", bonded: "bonded", degraded: "degraded" } as const

/** Of a connection: how its paths stand together; empty where there is one only. */
export const bondingOf = ({ bonding }: ConnectionNode): string => bondings[bonding]
