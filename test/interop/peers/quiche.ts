import * as Effect from "effect/Effect"
import type { Peer } from "../Peer.ts"
import { nodeProgram, notYet, runProgram } from "./programs.ts"

export const quiche: Peer = {
  name: "quiche",
  description: "quiche 0.18, npm @matrixai/quic",
  application: "transfer",
  credentials: "x509",
  prepare: Effect.void,
  cannot: (caseName) => notYet(caseName),
  ...runProgram(nodeProgram("quiche.ts"))
}
