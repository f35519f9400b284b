import { peerSweeps } from "./peers.ts"
import { itSweeps } from "./itSweeps.ts"

itSweeps(peerSweeps, 2)
