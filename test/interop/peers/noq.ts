import * as Effect from "effect/Effect"
import type { Peer } from "../Peer.ts"
import { nodeProgram, notYet, runProgram } from "./programs.ts"

/** Ed25519 raw public keys on both sides, as iroh uses them. RFC 7250 */
export const noq: Peer = {
  name: "noq",
  description: "noq 1.0, npm @number0/iroh",
  application: "transfer",
  credentials: "rawPublicKey",
  prepare: Effect.void,
  cannot: (caseName) => notYet(caseName),
  ...runProgram(nodeProgram("noq.ts"))
}
