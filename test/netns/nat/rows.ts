/** The rows of the kernel's NATs, for the table and the JSON of the other networks. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CommandFailed } from "../commands.ts"
import type { Row } from "../matrix.ts"
import { sweep } from "../namespaces.ts"
import { cells } from "../../nat/matrix.ts"
import { liveScenarios, measureLive, type OpenNode, startOpenNode, surviveLive } from "./cells.ts"
import { proveKinds } from "./kinds.ts"
import { type CellFigures, patienceFor } from "../../nat/peers.ts"
import { whyWrong } from "../../nat/verdict.ts"
import { NatNetwork } from "./NatNetwork.ts"
import { strangers, whyNot } from "./strangers.ts"

export const natScenario = "nat"

export interface NatRowOptions {
  /** All rows, for as long as they take; otherwise `shortRows`. */
  readonly isFull: boolean
  /** The beginning of a row's name. */
  readonly cell?: string | undefined
  /** A program that is not installed is a failure. */
  readonly requireAll: boolean
  readonly onRow: (row: Row) => void
}

/** A round of traversal that fails takes half a minute, and the programs a few seconds to start. */
const cellTimeoutMillis = 120_000
/** The binding of iroh copies each byte into an array of numbers and back. */
const strangerTimeoutMillis = 300_000
const survivalTimeoutMillis = 240_000
const fullBytes = 100_000_000
const shortBytes = 20_000_000

/** One of each kind of proof, for a run in which the NATs are not all that counts. */
const shortRows: ReadonlySet<string> = new Set([
  "port-restricted > port-restricted",
  "symmetric-sequential > port-restricted",
  "udp-blocked > none",
  "iroh is dialed",
  "iroh dials",
  "survival: direct path dies"
])

const described = ({ outcome, firstByteMillis, directMillis, relayedBytes, probes }: CellFigures): string => {
  const first = `first byte after ${Math.round(firstByteMillis)} ms`
  const counts = `${Math.round(relayedBytes / 1000)} kB relayed, ${probes} probes`
  return directMillis === null
    ? `${outcome}, ${first}, ${counts}`
    : `${outcome} after ${Math.round(directMillis)} ms, ${first}, ${counts}`
}

/** One after the other, in one network whose NATs change. */
export const runNat = Effect.fnUntraced(function* ({ isFull, cell = "", requireAll, onRow }: NatRowOptions) {
  sweep()
  const survivalBytes = Number(process.env.NAT_BYTES ?? (isFull ? fullBytes : shortBytes))
  const rows: Array<Row> = []
  const report = (row: Omit<Row, "scenario" | "stallMillis">): void => {
    const all = { scenario: natScenario, stallMillis: null, ...row }
    rows.push(all)
    onRow(all)
  }
  const failed = (peer: string) => (cause: Cause.Cause<unknown>) =>
    Effect.sync(() => report({ peer, result: "fail", reason: Cause.pretty(cause) }))
  const isWanted = (name: string): boolean => name.startsWith(cell) && (isFull || shortRows.has(name))
  const measureCells = Effect.fnUntraced(function* (network: NatNetwork, node: OpenNode) {
    for (const { client, server, expected } of cells) {
      const peer = `${client} > ${server}`
      if (!isWanted(peer)) continue
      yield* measureLive(network, node, { client, server }, patienceFor(expected)).pipe(
        Effect.timeout(cellTimeoutMillis),
        Effect.tap((figures) =>
          Effect.sync(() => {
            const problem = whyWrong(figures, expected)
            const result = problem === undefined ? "pass" : "fail"
            report({ peer, result, reason: problem ?? described(figures), figures: { expected, ...figures } })
          })
        ),
        Effect.catchCause(failed(peer))
      )
    }
  })
  const meetStrangers = Effect.fnUntraced(function* (network: NatNetwork, node: OpenNode) {
    for (const { name: peer, exchange } of strangers) {
      if (!isWanted(peer)) continue
      yield* Effect.scoped(exchange(network, node)).pipe(
        Effect.timeout(strangerTimeoutMillis),
        Effect.tap((figures) =>
          Effect.sync(() => {
            const problem = whyNot(figures)
            const result = problem === undefined ? "pass" : "fail"
            const reason = problem ?? `${figures.bytes / 1e6} MB there and back, at the end direct`
            report({ peer, result, reason, figures })
          })
        ),
        Effect.catchCause(failed(peer))
      )
    }
  })
  const measureSurvival = Effect.fnUntraced(function* (network: NatNetwork, node: OpenNode) {
    for (const scenario of liveScenarios) {
      const peer = `survival: ${scenario.name}`
      if (!isWanted(peer)) continue
      yield* surviveLive(network, node, scenario, survivalBytes).pipe(
        Effect.timeout(survivalTimeoutMillis),
        Effect.tap((figures) =>
          Effect.sync(() => {
            const isWhole = figures.bytes === survivalBytes
            const isQuick = figures.gapMillis <= scenario.gapMillis
            const reason = isWhole
              ? `nothing arrived for ${figures.gapMillis} ms`
              : `${figures.bytes} bytes arrived`
            report({ peer, result: isWhole && isQuick ? "pass" : "fail", reason, figures })
          })
        ),
        Effect.catchCause(failed(peer))
      )
    }
  })
  const measure = Effect.gen(function* (): Effect.fn.Return<void, Error, Scope.Scope> {
    const network = yield* NatNetwork.make
    if (isFull && ("kind".startsWith(cell) || cell.startsWith("kind")))
      yield* proveKinds(network, ({ kind, found, findings }) =>
        report({
          peer: `kind ${kind}`,
          result: kind === found ? "pass" : "fail",
          reason: kind === found ? "plain UDP finds it so" : `plain UDP finds: ${found}`,
          figures: { findings: findings ?? null }
        })
      )
    if (cell.startsWith("kind")) return
    const node = yield* startOpenNode(network)
    yield* measureCells(network, node)
    yield* meetStrangers(network, node)
    yield* measureSurvival(network, node)
  })
  yield* Effect.scoped(measure).pipe(
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      const isHere = error instanceof CommandFailed && !(requireAll && error.isMissing)
      return Effect.sync(() =>
        report({
          peer: "all",
          result: isHere ? "unsupported" : "fail",
          reason: isHere ? error.message : Cause.pretty(cause)
        })
      )
    })
  )
  return rows
})
