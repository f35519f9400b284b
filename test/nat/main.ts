/**
 * The NAT matrix in the simulator, with as many networks for each cell as wanted, and transfers that survive.
 *
 *     node test/nat/main.ts [--seeds 50] [--only CELL] [--bytes 10000000] [--json FILE]
 *
 * Each seed is another network: other delays, lines that lose packets now and then, and other users of the same NATs, so
 * that sequential ports skip some.
 */
import { writeFileSync } from "node:fs"
import { parseArgs, styleText } from "node:util"
import * as Effect from "effect/Effect"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import { cells, type Expectation } from "./matrix.ts"
import { type CellFigures, measureCell, patienceFor } from "./peers.ts"
import { simulatedPeers } from "./simulatedCell.ts"
import { scenarios, survive } from "./survival.ts"
import { whyWrong } from "./verdict.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "50" },
    only: { type: "string", default: "" },
    bytes: { type: "string", default: "10000000" },
    json: { type: "string" }
  }
})

interface CellRow {
  readonly cell: string
  readonly expected: Expectation
  readonly runs: number
  readonly direct: number
  readonly problems: ReadonlyArray<string>
  /** Of those that became direct, or of all if none did. */
  readonly median: Pick<CellFigures, "firstByteMillis" | "directMillis" | "relayedBytes" | "probes">
}

const networkOf = (seed: string) => {
  const random = new SeededRandom(seed)
  return {
    delayMillis: 5 + random.below(60),
    lossRate: random.below(3) / 100,
    changes: { skippedPorts: random.below(3) }
  }
}

const median = (numbers: ReadonlyArray<number | null>): number | null => {
  const sorted = numbers.filter((each) => each !== null).sort((a, b) => a - b)
  return sorted.length === 0 ? null : sorted[sorted.length >> 1]
}

const measure = async ({ client, server, expected }: (typeof cells)[number]): Promise<CellRow> => {
  const cell = `${client} > ${server}`
  const figures: Array<CellFigures> = []
  const problems: Array<string> = []
  for (let i = 0; i < Number(values.seeds); i++) {
    const seed = `${cell} #${i}`
    const network = networkOf(seed)
    const run = Effect.flatMap(simulatedPeers({ client, server }, network), (world) =>
      measureCell(world.endpoint, world.ticket, patienceFor(expected))
    )
    const { exit } = await SimRuntime.run(seed, Effect.scoped(run), { maxVirtualMillis: 300_000 })
    const problem =
      exit._tag === "Success"
        ? whyWrong(exit.value.figures, expected, network.lossRate)
        : String(exit.cause).slice(0, 500)
    if (exit._tag === "Success") figures.push(exit.value.figures)
    if (problem !== undefined) problems.push(`${seed}: ${problem}`)
  }
  const direct = figures.filter(({ outcome }) => outcome === "direct")
  const shown = direct.length > 0 ? direct : figures
  return {
    cell,
    expected,
    runs: figures.length,
    direct: direct.length,
    problems,
    median: {
      firstByteMillis: median(shown.map(({ firstByteMillis }) => firstByteMillis)) ?? 0,
      directMillis: median(shown.map(({ directMillis }) => directMillis)),
      relayedBytes: median(shown.map(({ relayedBytes }) => relayedBytes)) ?? 0,
      probes: median(shown.map(({ probes }) => probes)) ?? 0
    }
  }
}

const verdict = (isGood: boolean): string => (isGood ? styleText("green", "pass") : styleText("red", "fail"))

const rows: Array<CellRow> = []
const survived: Array<object> = []
/** After each row, as all of them take long. */
const keep = (): void => {
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ rows, survived }, null, 2)}\n`)
}
for (const cell of cells) {
  if (!`${cell.client} > ${cell.server}`.startsWith(values.only)) continue
  const row = await measure(cell)
  rows.push(row)
  const { firstByteMillis, directMillis, relayedBytes, probes } = row.median
  const figures = `first byte ${firstByteMillis} ms, direct ${directMillis ?? "–"} ms, relayed ${relayedBytes} B, probes ${probes}`
  console.log(
    `${verdict(row.problems.length === 0)} ${row.cell}: direct ${row.direct} of ${row.runs}; ${figures}`
  )
  for (const problem of row.problems) console.log(`     ${problem}`)
  keep()
}

let failures = rows.filter(({ problems }) => problems.length > 0).length
for (const scenario of scenarios) {
  const name = `survival: ${scenario.name}: ${scenario.client} > ${scenario.server}`
  if (!name.startsWith(values.only)) continue
  const run = Effect.scoped(survive(scenario, Number(values.bytes)))
  const { exit } = await SimRuntime.run(name, run, { maxVirtualMillis: 600_000 })
  const isGood = exit._tag === "Success"
  if (!isGood) failures++
  survived.push({ name, ...(isGood ? exit.value : { problem: String(exit.cause) }) })
  console.log(`${verdict(isGood)} ${name}: ${isGood ? `nothing for ${exit.value.gapMillis} ms` : exit.cause}`)
}
keep()
process.exitCode = failures === 0 ? 0 : 1
