/** Prints a table per benchmark, one line per system, 100 columns wide. */
import type { Metric } from "./benchmarks.ts"
import type { Stages } from "./stages.ts"
import type { Result } from "./system.ts"

export interface Row {
  readonly system: string
  readonly metric: string
  readonly conditions: string
  readonly value: number
  readonly unit: string
}

const NAME = 30
const VALUE = 11
const RATIO = 6

const digits = (value: number): string => value.toFixed(Math.abs(value) < 100 ? 1 : 0)

/** The median of the repetitions, in the unit of the metric; undefined if the system does not report it. */
const median = ({ from, scale }: Metric, results: ReadonlyArray<Result>): number | undefined => {
  const figures = results.flatMap(({ values }) => (from in values ? [values[from] * scale] : []))
  return figures.sort((a, b) => a - b).at(Math.floor(figures.length / 2))
}

export const printTable = (
  title: string,
  conditions: string,
  metrics: ReadonlyArray<Metric>,
  reference: string,
  results: ReadonlyMap<string, ReadonlyArray<Result>>
): Array<Row> => {
  console.log(`\n${title}`)
  const heads = metrics.map(({ short, unit }) => `${short} ${unit}`.padStart(VALUE) + " ".repeat(RATIO))
  console.log(`  ${`with the ratio to ${reference}`.padEnd(NAME)}${heads.join("")}`.trimEnd())
  const rows: Array<Row> = []
  for (const [system, list] of results) {
    const cells = metrics.map((each) => {
      const value = median(each, list)
      if (value === undefined) return " ".repeat(VALUE + RATIO)
      rows.push({ system, metric: each.metric, conditions, value, unit: each.unit })
      const base = median(each, results.get(reference) ?? [])
      const ratio = base === undefined ? "" : (value / base).toFixed(value < 100 * base ? 2 : 0)
      return digits(value).padStart(VALUE) + ratio.padStart(RATIO)
    })
    if (list.length > 0) console.log(`  ${system.padEnd(NAME)}${cells.join("")}`.trimEnd())
  }
  return rows
}

/** Cost per packet by stage, the most expensive of the first system first. */
export const printStages = (
  title: string,
  conditions: string,
  bySystem: ReadonlyMap<string, Stages>
): Array<Row> => {
  const systems = [...bySystem.keys()]
  const columns = [...bySystem.values()].map((stages): Stages => ({ ...stages, "in all": total(stages) }))
  const names = new Set(columns.flatMap((column) => Object.keys(column)))
  const cells = (of: (column: Stages) => string): string =>
    columns.map((column) => of(column).padStart(COLUMN)).join("")
  console.log(`\n${title}`)
  console.log(`  ${"µs".padEnd(STAGE)}${systems.map((name) => name.padStart(COLUMN)).join("")}`)
  const order = (stage: string): number => columns[0][stage] ?? 0
  for (const stage of [...names].sort((a, b) => order(b) - order(a)))
    console.log(`  ${stage.padEnd(STAGE)}${cells((column) => (column[stage] ?? 0).toFixed(2))}`)
  return systems.flatMap((system, i) =>
    Object.entries(columns[i]).map(([stage, value]) => ({
      system,
      metric: `cost per packet: ${stage}`,
      conditions,
      value,
      unit: "µs"
    }))
  )
}

const STAGE = 40
const COLUMN = 22

const total = (stages: Stages): number => Object.values(stages).reduce((sum, micros) => sum + micros, 0)

/** Figures only we report, one per line. */
export interface Figures {
  readonly conditions: string
  readonly figures: ReadonlyArray<{ readonly metric: string; readonly value: number; readonly unit: string }>
}

export const printFigures = (title: string, { conditions, figures }: Figures): Array<Row> => {
  console.log(`\n${title}: ${conditions}`)
  for (const { metric, value, unit } of figures)
    console.log(`  ${metric.padEnd(NAME + VALUE)}${digits(value).padStart(VALUE)} ${unit}`)
  return figures.map((figure) => ({ system: "effect-quic", conditions, ...figure }))
}
