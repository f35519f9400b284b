import type { Role } from "../../../src/wire/Role.ts"
import * as Effect from "effect/Effect"
import type { Peer } from "../Peer.ts"
import { noMultipath, nodeProgram, runProgram } from "./programs.ts"

const v1Only = "it supports only version 1"
/** Its loss detection is per path: ACKs received on the new path do not declare packets of the old one lost. */
const slowMigration =
  "it follows, but retransmits what was lost on the old path only by probe timeouts, packet by packet"

const limits: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  client: { versionnegotiation: "@matrixai/quic has no option for the version", v2: v1Only },
  server: { v2: v1Only, "rebind-addr": slowMigration }
}

export const quiche: Peer = {
  name: "quiche",
  description: "quiche 0.18, npm @matrixai/quic",
  application: "transfer",
  credentials: "x509",
  // it follows key updates but has no method to initiate one
  startsKeyUpdates: false,
  prepare: Effect.void,
  cannot: (caseName, role) => (caseName === "multipath" ? noMultipath : limits[role][caseName]),
  ...runProgram(nodeProgram("quiche/main.ts"))
}
