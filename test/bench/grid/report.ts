/** The grid as rows, as a table in Markdown, and as a picture. */
import { writeFileSync } from "node:fs"
import type { Row } from "../report.ts"
import type { CellOptions } from "./cell.ts"
import { Grid } from "./Grid.ts"
import { conditions, heatMap } from "./heatMap.ts"
import { gridCells, type Measured, measureGrid, RATIOS, repeated, schedulerNames } from "./run.ts"

const percent = (share: number): string => `${Math.round(100 * share)} %`

/** A line for each scheduler, loss and RTT ratio; a column for each rate ratio. */
export const markdown = (grid: Grid): string => {
  const head = ["scheduler", "loss", "RTT ×", ...RATIOS.map((ratio) => `rate ÷ ${ratio}`)]
  const lines = schedulerNames.flatMap((name) =>
    grid.losses.flatMap(({ lossRate, congestion }) =>
      RATIOS.map((rttRatio) => {
        const cells = RATIOS.map((rateRatio) => {
          const cell = grid.at(name, lossRate, rttRatio, rateRatio)
          if (cell === undefined) return "–"
          return `${percent(cell.share)} · ${Math.round(cell.messageMillis)}/${Math.round(cell.hintedMillis)}`
        })
        return [name, `${100 * lossRate} %, ${congestion}`, rttRatio, ...cells]
      })
    )
  )
  const alone = grid.losses.map(
    ({ lossRate, congestion }) =>
      `${percent(grid.alone(lossRate)!.share)} at ${100 * lossRate} % loss (${congestion})`
  )
  return [
    "# Schedulers on a grid of links",
    "",
    "Exact: in the simulator, by `npm run bench -- --only schedulers --svg FILE --markdown FILE`. One stream fills two links:",
    `${conditions}.`,
    "",
    "Each cell: what arrives of the stream, as a fraction of what both links have room for · the p99 of a 64-byte message",
    'beside it, in ms, without a hint / with `{ path: { prefer: "lowestLatency" } }`. The message has the priority of the',
    `stream, so it takes turns with it. The first link alone carries ${alone.join(", ")}.`,
    "![heat map](schedulers.svg)",
    "",
    `| ${head.join(" | ")} |`,
    `|${head.map(() => "---").join("|")}|`,
    ...lines.map((line) => `| ${line.join(" | ")} |`),
    ""
  ].join("\n")
}

const rowsOf = ({ options, cell }: Measured): ReadonlyArray<Row> => {
  const { scheduler = "one path", lossRate, congestion, rttRatio, rateRatio } = options
  const conditions = `RTT × ${rttRatio}, rate ÷ ${rateRatio}, loss ${100 * lossRate} %, ${congestion}`
  const row = (metric: string, value: number, unit: string): Row => ({
    system: `effect-quic, ${scheduler}`,
    metric,
    conditions,
    value,
    unit
  })
  return [
    row("of what the links have room for", 100 * cell.share, "%"),
    row("64-byte message, p99", cell.messageMillis, "ms"),
    row("64-byte message that prefers the lowest latency, p99", cell.hintedMillis, "ms")
  ]
}

const measureAll = async (grid: Grid, cells: ReadonlyArray<CellOptions>): Promise<Array<Row>> => {
  const rows: Array<Row> = []
  let done = 0
  for await (const measured of measureGrid(cells)) {
    grid.add(measured)
    rows.push(...rowsOf(measured))
    if (++done % 20 === 0) console.log(`  ${done} of ${cells.length} cells`)
  }
  return rows
}

/**
 * Measures all of it, which takes some minutes; the ratios 1 and 10 only if `isQuick`. What seems worse than one path is
 * measured more often: where packets are lost, chance has a part in it.
 */
export const schedulerRows = async (
  isQuick: boolean,
  files: { readonly svg?: string | undefined; readonly markdown?: string | undefined }
): Promise<Array<Row>> => {
  const grid = new Grid()
  const cells = gridCells(isQuick ? [1, 10] : RATIOS)
  const rows = await measureAll(grid, cells)
  const doubtful = cells.filter((cell) => grid.isWorse(cell))
  rows.push(
    ...(await measureAll(
      grid,
      doubtful.flatMap((cell) => repeated(cell).slice(1))
    ))
  )
  console.log(markdown(grid))
  for (const cell of doubtful)
    if (grid.isWorse(cell))
      console.log(`${grid.gain(cell).toFixed(2)} of the better path: ${JSON.stringify(cell)}`)
  if (files.svg !== undefined) writeFileSync(files.svg, heatMap(grid))
  if (files.markdown !== undefined) writeFileSync(files.markdown, markdown(grid))
  return rows
}
