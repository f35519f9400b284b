/**
 * Transfers over real networks that change under them, in network namespaces of this machine. Needs root, and Debian's
 * iproute2, nftables and conntrack.
 *
 *     node test/netns/main.ts [--only SCENARIO] [--peer NAME] [--json FILE]
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { formatRow, type Row, runAll } from "./matrix.ts"

const { values } = parseArgs({
  options: { only: { type: "string" }, peer: { type: "string" }, json: { type: "string" } }
})

const program = Effect.gen(function* () {
  const rows: ReadonlyArray<Row> = yield* runAll({
    ...values,
    requireAll: process.env.CI === "true",
    onRow: (row, detail) => {
      process.stdout.write(`${formatRow(row)}\n`)
      if (detail !== undefined) process.stdout.write(`${detail.replace(/^/gm, "    ")}\n`)
    }
  })
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
  process.exitCode = rows.some(({ result }) => result === "fail") ? 1 : 0
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain())
