/**
 * `npm run sweep`: every operation, interrupted at every step, and a table of what came of it. `-- --full` repeats that
 * with three seeds that permute the fibers that are ready at the same time; `-- WORD` sweeps what has the word in its name.
 */
import { all } from "./all.ts"
import { sweepOver } from "./sweep.ts"

const words = process.argv.slice(2)
const isFull = words.includes("--full")
const [only = ""] = words.filter((word) => word !== "--full")

const width = Math.max(...all.map(({ name }) => name.length))
const line = (name: string, ...cells: ReadonlyArray<string | number>) =>
  console.log([name.padEnd(width), ...cells.map((cell) => String(cell).padStart(11))].join("  "))

line("operation", "steps", "interrupted", "completed", "result")
let steps = 0
let failures = 0
for (const sweep of all.filter(({ name }) => name.includes(only))) {
  try {
    const row = await sweepOver(sweep, { seeds: isFull ? 4 : 1 })
    steps += row.steps
    line(row.name, row.steps, row.interrupted, row.done, "clean")
  } catch (error) {
    failures++
    line(sweep.name, "", "", "", "NOT CLEAN")
    console.error(error)
  }
}
const { user, system } = process.cpuUsage()
console.log(`${steps} steps in ${((user + system) / 1e6).toFixed(0)} s of CPU time, ${failures} failures`)
process.exitCode = failures === 0 ? 0 : 1
