/**
 * `npm run sweep` sweeps every operation, interrupting it at every step and then closing its scope from another fiber
 * there, and prints a table of the results. `-- --full` repeats that with three seeds that permute fibers ready at the
 * same time; `-- WORD` sweeps only operations whose name contains the word; `-- --json FILE` writes the table as an array
 * of `{ operation, steps, leaks }`.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { all } from "./all.ts"
import { sweepOver } from "./sweep.ts"

const { values, positionals } = parseArgs({
  options: { full: { type: "boolean", default: false }, json: { type: "string" } },
  allowPositionals: true
})
const [only = ""] = positionals
const table: Array<{ operation: string; steps: number; leaks: number }> = []

const width = Math.max(...all.map(({ name }) => name.length))
const line = (name: string, ...cells: ReadonlyArray<string | number>) =>
  console.log([name.padEnd(width), ...cells.map((cell) => String(cell).padStart(11))].join("  "))

line("operation", "steps", "interrupted", "completed", "closed", "result")
let steps = 0
let failures = 0
for (const sweep of all.filter(({ name }) => name.includes(only))) {
  try {
    const row = await sweepOver(sweep, { seeds: values.full ? 4 : 1 })
    steps += row.steps
    table.push({ operation: row.name, steps: row.steps, leaks: 0 })
    line(row.name, row.steps, row.interrupted, row.done, row.closed, "clean")
  } catch (error) {
    failures++
    // a sweep ends at the first step that leaks
    table.push({ operation: sweep.name, steps: 0, leaks: 1 })
    line(sweep.name, "", "", "", "", "NOT CLEAN")
    console.error(error)
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(table, null, 2)}\n`)
const { user, system } = process.cpuUsage()
console.log(`${steps} steps in ${((user + system) / 1e6).toFixed(0)} s of CPU time, ${failures} failures`)
process.exitCode = failures === 0 ? 0 : 1
