/**
 * The chaos swarm: each seed draws a network, its faults, and an application workload.
 *
 * npm run chaos -- --seeds 2000 --from 0         runs that many seeds, starting at --from, on all cores
 * npm run chaos -- --from 17 --seeds 1 --show    runs one seed and prints its scenario
 * npm run chaos -- … --shrink                    shrinks each failing scenario
 * npm run chaos -- --scenario FILE               runs a scenario file, such as one written by --shrink
 * npm run chaos -- … --json FILE                 writes the results as JSON
 * npm run -s chaos -- … --digest                 prints one line, identical for identical runs of the same seeds
 */
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { draw } from "./draw.ts"
import { runScenario } from "./runScenario.ts"
import type { Scenario } from "./Scenario.ts"
import { shrinkScenario } from "./shrinkScenario.ts"
import { swarm } from "./swarm.ts"
import type { Outcome } from "./Outcome.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "0" },
    workers: { type: "string" },
    shrink: { type: "boolean", default: false },
    show: { type: "boolean", default: false },
    digest: { type: "boolean", default: false },
    scenario: { type: "string" },
    json: { type: "string" }
  }
})

const whole = (name: string, value: string): number => {
  const number = Number(value)
  if (Number.isSafeInteger(number) && number >= 0) return number
  console.error(`--${name} takes a whole number, not ${value}.`)
  process.exit(2)
}

const seeds = whole("seeds", values.seeds)
const from = whole("from", values.from)
const workers = values.workers === undefined ? undefined : whole("workers", values.workers)

/** The kind of a failure: its message without the numbers that vary between instances. */
const kindOf = (problem: string): string => problem.split("\n")[0].replaceAll(/\d+(\.\d+)?/g, "#")

const shrinkAndPrint = async ({ seed, problems }: Outcome): Promise<void> => {
  const kind = kindOf(problems[0])
  const { scenario, runs } = await shrinkScenario(draw(seed), async (candidate) =>
    (await runScenario(candidate)).problems.some((problem) => kindOf(problem) === kind)
  )
  const json = JSON.stringify(scenario, null, 2)
  const file = join(tmpdir(), `chaos-${seed}.json`)
  writeFileSync(file, json)
  console.log(`seed ${seed}, shrunk in ${runs} runs:\n${json}`)
  console.log(`To replay it: npm run chaos -- --scenario ${file}`)
}

if (values.scenario !== undefined) {
  const { problems } = await runScenario(JSON.parse(readFileSync(values.scenario, "utf8")) as Scenario)
  console.log(problems.length === 0 ? "It passed." : problems.join("\n"))
  process.exit(problems.length === 0 ? 0 : 1)
}

if (values.show)
  for (let seed = from; seed < from + seeds; seed++) console.log(JSON.stringify(draw(seed), null, 2))

if (values.digest) {
  const digests: Array<string> = []
  for await (const { seed, digest } of swarm(from, seeds, workers)) digests[seed - from] = digest
  console.log(createHash("sha256").update(digests.join()).digest("hex"))
  process.exit(0)
}

const start = performance.now()
const failures: Array<Outcome> = []
let virtualMillis = 0
let excused = 0
let repeats = 0
let done = 0
for await (const outcome of swarm(from, seeds, workers)) {
  done++
  virtualMillis += outcome.virtualMillis
  excused += outcome.excused
  repeats += outcome.repeats
  const seconds = (performance.now() - start) / 1000
  if (outcome.problems.length > 0) {
    failures.push(outcome)
    console.log(`seed ${outcome.seed} failed:\n  ${outcome.problems.join("\n").replaceAll("\n", "\n  ")}`)
    console.log(`To replay it: npm run chaos -- --from ${outcome.seed} --seeds 1`)
  }
  const progress = `${done} of ${seeds} seeds, ${failures.length} failed, ${seconds.toFixed(0)} s`
  if (process.stdout.isTTY) process.stdout.write(`\r${progress} `)
  else if (done % 500 === 0) console.log(progress)
}

const seconds = (performance.now() - start) / 1000
if (process.stdout.isTTY) process.stdout.write("\r")
const hours = (virtualMillis / 3_600_000).toFixed(1)
console.log(
  `${seeds - failures.length} of ${seeds} seeds from ${from} passed: ${hours} virtual hours in ${seconds.toFixed(0)} s`
)
console.log(
  `${excused} connections failed because an address changed during the handshake, ${repeats} because the server crashed`
)
if (values.shrink) for (const failure of failures) await shrinkAndPrint(failure)
if (values.json !== undefined)
  writeFileSync(
    values.json,
    JSON.stringify({ passed: seeds - failures.length, failed: failures.length, seconds, failures })
  )
process.exitCode = failures.length > 0 ? 1 : 0
