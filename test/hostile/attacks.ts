/** The table of attacks. */
import type { Attack } from "./Attack.ts"
import { candidates } from "./candidates.ts"
import { certificates } from "./certificates.ts"
import { peers } from "./peers.ts"
import { servers } from "./servers.ts"
import { strangers } from "./strangers.ts"

export const attacks: ReadonlyArray<Attack> = [
  ...peers,
  ...servers,
  ...candidates,
  ...certificates,
  ...strangers
]
