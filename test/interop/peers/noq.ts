import type { Role } from "../../../src/wire/Role.ts"
import * as Effect from "effect/Effect"
import type { Peer } from "../Peer.ts"
import { nodeProgram, runProgram } from "./programs.ts"

const v1Only = "it supports only version 1 and its drafts"

const limits: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  client: {
    zerortt: "@number0/iroh cannot write before the handshake completes",
    versionnegotiation: "@number0/iroh has no option for the version",
    v2: v1Only,
    connectionmigration: "@number0/iroh binds its socket only once",
    multipath: "@number0/iroh opens further paths only to addresses learned by its NAT traversal"
  },
  server: { v2: v1Only }
}

/** Ed25519 raw public keys on both sides, as iroh uses them. RFC 7250 */
export const noq: Peer = {
  name: "noq",
  description: "noq 1.0, npm @number0/iroh",
  application: "transfer",
  credentials: "rawPublicKey",
  // the binding does not expose key updates
  startsKeyUpdates: false,
  prepare: Effect.void,
  cannot: (caseName, role) => limits[role][caseName],
  ...runProgram(nodeProgram("noq.ts"))
}
