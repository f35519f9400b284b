import * as Effect from "effect/Effect"
import type { Peer } from "../Peer.ts"
import { nodeProgram, runProgram } from "./programs.ts"

const v1Only = "quiche 0.18 speaks version 1 only"
/** Its loss detection looks at each path alone: what acknowledgements on the new path say about the old one is lost on it. */
const slowToFollow =
  "quiche 0.18 follows, but repeats what was lost on the old path by probe timeouts alone, one packet each"

/** By its role and the case. */
const impossible: Record<string, string | undefined> = {
  "client/versionnegotiation":
    "@matrixai/quic makes configurations for version 1 only, so its client begins with it",
  "client/v2": v1Only,
  "server/v2": v1Only,
  "server/rebind-port": slowToFollow,
  "server/rebind-addr": slowToFollow
}

export const quiche: Peer = {
  name: "quiche",
  description: "quiche 0.18, npm @matrixai/quic",
  application: "transfer",
  credentials: "x509",
  // it follows an update, and has no method to begin one
  startsKeyUpdates: false,
  prepare: Effect.void,
  cannot: (caseName, role) => impossible[`${role}/${caseName}`],
  ...runProgram(nodeProgram("quiche/main.ts"))
}
