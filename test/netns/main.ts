/**
 * Transfers over real networks that change under them, and over two links at once, in network namespaces of this machine.
 * Needs root, and Debian's iproute2, nftables, conntrack and gcc; python3 for the kernel's MPTCP beside us.
 *
 *     node test/netns/main.ts [--only SCENARIO] [--peer NAME] [--json FILE]
 *
 * `--only multipath` and `--only nat`, the whole matrix of NATs, measure for as long as the figures take; `--peer` is then the
 * beginning of a cell's name. The run of everything has a few cells of each.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { linksScenario, runLinks } from "./links/rows.ts"
import { natScenario, runNat } from "./nat/rows.ts"
import { formatRow, type Row, runAll } from "./matrix.ts"

const { values } = parseArgs({
  options: { only: { type: "string" }, peer: { type: "string" }, json: { type: "string" } }
})

const program = Effect.gen(function* () {
  const requireAll = process.env.CI === "true"
  const onRow = (row: Row, detail?: string): void => {
    process.stdout.write(`${formatRow(row)}\n`)
    if (detail !== undefined) process.stdout.write(`${detail.replace(/^/gm, "    ")}\n`)
  }
  const isFull = values.only === linksScenario
  const isNat = values.only === natScenario
  const rows: Array<Row> = isFull || isNat ? [] : yield* runAll({ ...values, requireAll, onRow })
  const isEverything = values.only === undefined && values.peer === undefined
  if (isNat || isEverything)
    rows.push(...(yield* runNat({ isFull: isNat, cell: values.peer, requireAll, onRow })))
  if (isFull || isEverything)
    rows.push(...(yield* runLinks({ isFull, cell: values.peer, requireAll, onRow })))
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
  process.exitCode = rows.some(({ result }) => result === "fail") ? 1 : 0
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain())
