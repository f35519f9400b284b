import type { Role } from "../../../src/wire/Role.ts"
import * as Effect from "effect/Effect"
import type { Peer } from "../Peer.ts"
import { nodeProgram, runProgram } from "./programs.ts"

const v1Only = "it speaks version 1 and drafts of it"

const limits: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  client: {
    zerortt: "@number0/iroh has no call that writes before the handshake is complete",
    versionnegotiation: "@number0/iroh lets nobody choose the version",
    v2: v1Only,
    connectionmigration: "@number0/iroh binds its socket once"
  },
  server: { v2: v1Only }
}

/** Ed25519 raw public keys on both sides, as iroh uses them. RFC 7250 */
export const noq: Peer = {
  name: "noq",
  description: "noq 1.0, npm @number0/iroh",
  application: "transfer",
  credentials: "rawPublicKey",
  // the binding has no method for it
  startsKeyUpdates: false,
  prepare: Effect.void,
  cannot: (caseName, role) => limits[role][caseName],
  ...runProgram(nodeProgram("noq.ts"))
}
