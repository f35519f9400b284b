import type { Role } from "../../../src/wire/Role.ts"
import * as Effect from "effect/Effect"
import type { Peer } from "../Peer.ts"
import { nodeProgram, runProgram } from "./programs.ts"

const v1Only = "it speaks version 1 only"
/** Its loss detection looks at each path alone: what acknowledgements on the new path say about the old one is lost on it. */
const slowToFollow =
  "it follows, but repeats what was lost on the old path by probe timeouts alone, packet by packet"

const limits: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  client: { versionnegotiation: "@matrixai/quic lets nobody choose the version", v2: v1Only },
  server: { v2: v1Only, "rebind-addr": slowToFollow }
}

export const quiche: Peer = {
  name: "quiche",
  description: "quiche 0.18, npm @matrixai/quic",
  application: "transfer",
  credentials: "x509",
  // it follows, and has no method to begin
  startsKeyUpdates: false,
  prepare: Effect.void,
  cannot: (caseName, role) => limits[role][caseName],
  ...runProgram(nodeProgram("quiche/main.ts"))
}
