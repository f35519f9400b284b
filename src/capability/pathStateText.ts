import type { PathNode } from "./treeNodes.ts"

/** Of a path. One that is used, and carries nothing, has fallen silent, or the peer wants it kept as a backup. */
export const stateOf = ({ state, carriesData }: PathNode): string =>
  state === "active" && !carriesData ? "active, carries nothing" : state
