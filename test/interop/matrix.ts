/** Runs every case with every peer in both roles. */
import { otherRole, type Role } from "../../src/wire/Role.ts"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { type Case, cases } from "./cases/index.ts"
import type { Material } from "./material.ts"
import { type Implementation, InteropFailure, type Peer } from "./Peer.ts"

/** Time limit per case; the slowest peer needs a fifth of it. */
const timeoutMillis = 20_000

export interface Row {
  readonly peer: string
  /** Our role. */
  readonly role: Role
  readonly case: string
  readonly result: "pass" | "fail" | "unsupported"
  /** The measurement, the failure, or why the case is unsupported. */
  readonly reason: string
  /** Details for debugging. */
  readonly detail?: string
}

/** `peer`, `peer/role` or `peer/role/case`. */
export const matches = (only: string | undefined, peer: string, role?: Role, name?: string): boolean => {
  if (only === undefined) return true
  const [wantedPeer, wantedRole = role, wantedCase = name] = only.split("/")
  return (
    wantedPeer === peer &&
    (role === undefined || wantedRole === role) &&
    (name === undefined || wantedCase === name)
  )
}

export interface MatrixOptions {
  readonly us: Implementation
  readonly peers: ReadonlyArray<Peer>
  readonly material: Material
  readonly only: string | undefined
  /** Counts missing peers as failures, as CI does. */
  readonly requireAll: boolean
  readonly onRow: (row: Row) => void
}

const runCase = (
  { us, material }: MatrixOptions,
  peer: Peer,
  role: Role,
  { name, run }: Case
): Effect.Effect<Row, never, ChildProcessSpawner> => {
  const row = { peer: peer.name, role, case: name }
  const impossible = peer.cannot(name, otherRole(role))
  if (impossible !== undefined) return Effect.succeed({ ...row, result: "unsupported", reason: impossible })
  const { application, credentials } = peer
  const [client, server] = role === "client" ? [us, peer] : [peer, us]
  return run({ client, server, application, credentials, material }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: timeoutMillis,
      orElse: () =>
        Effect.fail(new InteropFailure({ reason: `did not finish within ${timeoutMillis / 1000} s` }))
    }),
    Effect.map((note): Row => ({ ...row, result: "pass", reason: note })),
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      const known = error instanceof InteropFailure
      const reason = known ? error.reason : `defect: ${error instanceof Error ? error.message : error}`
      const detail = known ? error.detail : Cause.pretty(cause)
      return Effect.succeed<Row>({ ...row, result: "fail", reason, ...(detail && { detail }) })
    })
  )
}

/** Runs cases sequentially: in parallel they would distort each other's measurements. */
export const runMatrix = Effect.fnUntraced(function* (options: MatrixOptions) {
  const { peers, only, requireAll, onRow } = options
  const rows: Array<Row> = []
  const report = (row: Row) => {
    rows.push(row)
    onRow(row)
  }
  for (const peer of peers) {
    if (!matches(only, peer.name)) continue
    const missing = yield* Effect.match(peer.prepare, {
      onSuccess: () => undefined,
      onFailure: (failure) => failure
    })
    for (const role of ["client", "server"] as const) {
      for (const one of cases) {
        if (!matches(only, peer.name, role, one.name)) continue
        if (missing === undefined) report(yield* runCase(options, peer, role, one))
        else {
          const { reason, detail } = missing
          const result = requireAll ? "fail" : "unsupported"
          report({ peer: peer.name, role, case: one.name, result, reason, ...(detail && { detail }) })
        }
      }
    }
  }
  return rows
})
