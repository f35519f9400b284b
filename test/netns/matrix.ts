/** Every scenario with every partner: what held, for how long it stalled, and what cannot be tried here. */
import { styleText } from "node:util"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Role } from "../../src/wire/Role.ts"
import * as material from "../interop/material.ts"
import { InteropFailure, type Payload, type Peer } from "../interop/Peer.ts"
import { ngtcp2 } from "../interop/peers/ngtcp2.ts"
import { quicGo } from "../interop/peers/quicGo.ts"
import { quinn } from "../interop/peers/quinn.ts"
import { CommandFailed } from "./commands.ts"
import { cannot } from "./limits.ts"
import { sweep } from "./namespaces.ts"
import { Network } from "./Network.ts"
import { bulkBytes, bulkName, type Scenario, scenarios } from "./scenarios.ts"
import { type Transfer, transfer } from "./Transfer.ts"

/** A transfer takes some five seconds when nothing else runs. */
const timeoutMillis = 60_000

export interface Row {
  readonly scenario: string
  readonly peer: string
  readonly result: "pass" | "fail" | "unsupported"
  /** The longest time in which our side read nothing, or could write nothing when it is the peer that reads. */
  readonly stallMillis: number | null
  /** What happened, what went wrong, or why it cannot be tried. */
  readonly reason: string
  /** What was measured. */
  readonly figures?: object
}

/** Whom we exchange the bytes with. */
interface Partner {
  readonly name: string
  readonly peer: Transfer["peer"]
  /** What a client of ours finds out by itself, or is told, one of somebody else's need not. */
  readonly receiver: (scenario: Scenario) => Role
}

const withPeer = (implementation: Peer, role: Role): Partner => ({
  name: `${implementation.name} as ${role}`,
  peer: { implementation, role },
  receiver: ({ needsSender }) => (role === "client" && needsSender ? "server" : "client")
})

const partners: ReadonlyArray<Partner> = [
  { name: "effect-quic, download", peer: undefined, receiver: () => "client" },
  { name: "effect-quic, upload", peer: undefined, receiver: () => "server" },
  ...[ngtcp2, quicGo, quinn].flatMap((peer) => [withPeer(peer, "server"), withPeer(peer, "client")])
]

export interface MatrixOptions {
  /** The name of a scenario, and the beginning of a partner's. */
  readonly only?: string | undefined
  readonly peer?: string | undefined
  /** A program that is not installed is a failure. */
  readonly requireAll: boolean
  readonly onRow: (row: Row, detail: string | undefined) => void
}

/** Why there can be no such networks here: the kernel or the rights, or a package; tried by building one of each kind. */
const obstacle = Effect.scoped(Effect.asVoid(Network.make({ nat: true }))).pipe(
  Effect.as(undefined),
  Effect.catchDefect((error) => (error instanceof CommandFailed ? Effect.succeed(error) : Effect.die(error)))
)

type Verdict = Omit<Row, "scenario" | "peer"> & { readonly detail?: string | undefined }

const attempt = (options: Transfer): Effect.Effect<Verdict, never, ChildProcessSpawner> =>
  Effect.scoped(transfer(options)).pipe(
    Effect.timeoutOrElse({
      duration: timeoutMillis,
      orElse: () => Effect.fail(new InteropFailure({ reason: `not done after ${timeoutMillis / 1000} s` }))
    }),
    Effect.map(
      ({ stallMillis, evidence }): Verdict => ({
        result: "pass",
        stallMillis: Math.round(stallMillis),
        reason: evidence
      })
    ),
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      const known = error instanceof InteropFailure
      const reason = known ? error.reason : `defect: ${error instanceof Error ? error.message : error}`
      const detail = known ? error.detail : Cause.pretty(cause)
      return Effect.succeed<Verdict>({ result: "fail", stallMillis: null, reason, detail })
    })
  )

/** One after the other, as they would take each other's time. */
export const runAll = Effect.fnUntraced(function* ({
  only,
  peer: wanted = "",
  requireAll,
  onRow
}: MatrixOptions) {
  sweep()
  const rows: Array<Row> = []
  const report = (scenario: Scenario, { name }: Partner, { detail, ...verdict }: Verdict) => {
    const row = { scenario: scenario.name, peer: name, ...verdict }
    rows.push(row)
    onRow(row, detail)
  }
  const without = (reason: string, isFailure: boolean): Verdict => ({
    result: isFailure ? "fail" : "unsupported",
    stallMillis: null,
    reason
  })
  const problem = yield* obstacle
  const known = yield* material.make
  const bulk: Payload = material.makePayload(known.documents, bulkName, bulkBytes)
  const missing = new Map<Peer, string>()
  for (const partner of partners.filter(({ name }) => name.startsWith(wanted))) {
    const { peer, receiver } = partner
    if (peer !== undefined && problem === undefined && !missing.has(peer.implementation))
      yield* Effect.catch(peer.implementation.prepare, ({ reason }) =>
        Effect.sync(() => missing.set(peer.implementation, reason))
      )
    const absent = peer && missing.get(peer.implementation)
    for (const scenario of scenarios.filter(({ name }) => only === undefined || only === name)) {
      const limit = peer && cannot(peer.implementation.name, peer.role, scenario.name)
      if (problem !== undefined)
        report(scenario, partner, without(problem.message, requireAll && problem.isMissing))
      else if (absent !== undefined) report(scenario, partner, without(absent, requireAll))
      else if (limit !== undefined) report(scenario, partner, without(limit, false))
      else {
        const options = { scenario, bulk, material: known, peer, receiver: receiver(scenario) }
        report(scenario, partner, yield* attempt(options))
      }
    }
  }
  return rows
})

const colours = { pass: "green", fail: "red", unsupported: "dim" } as const

/** A row for people, at a fixed width as far as the reason. */
export const formatRow = ({ scenario, peer, result, stallMillis, reason }: Row): string => {
  const stall = stallMillis === null ? "" : `${stallMillis} ms`
  const verdict = styleText(colours[result], result.padEnd(11))
  return `${verdict} ${scenario.padEnd(14)} ${peer.padEnd(22)} ${stall.padStart(8)}  ${reason}`
}
