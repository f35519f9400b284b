/** All sweeps. */
import { connectionSweeps } from "./connections.ts"
import { dialSweeps } from "./dials.ts"
import { endpointSweeps } from "./endpoints.ts"
import { pathSweeps } from "./paths.ts"
import { peerSweeps } from "./peers.ts"
import { rpcSweeps } from "./rpc.ts"
import { socketSweeps } from "./sockets.ts"
import { streamSweeps } from "./streams.ts"
import type { Sweep } from "./sweep.ts"

export const all: ReadonlyArray<Sweep<never>> = [
  ...endpointSweeps,
  ...dialSweeps,
  ...connectionSweeps,
  ...streamSweeps,
  ...pathSweeps,
  ...peerSweeps,
  ...rpcSweeps,
  ...socketSweeps
]
