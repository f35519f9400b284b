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

/** The best of the repetitions, in the unit of the metric; undefined if the system does not report it. */
const best = ({ from, scale, more }: Metric, results: ReadonlyArray<Result>): number | undefined => {
  const figures = results.flatMap(({ values }) => (from in values ? [values[from] * scale] : []))
  if (figures.length === 0) return undefined
  return more ? Math.max(...figures) : Math.min(...figures)
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
      const value = best(each, list)
      if (value === undefined) return " ".repeat(VALUE + RATIO)
      rows.push({ system, metric: each.metric, conditions, value, unit: each.unit })
      const base = best(each, results.get(reference) ?? [])
      const ratio = base === undefined ? "" : (value / base).toFixed(value < 100 * base ? 2 : 0)
      return digits(value).padStart(VALUE) + ratio.padStart(RATIO)
    })
    if (list.length > 0) console.log(`  ${system.padEnd(NAME)}${cells.join("")}`.trimEnd())
  }
  return rows
}

/** Cost per packet by stage, most expensive first. */
export const printStages = (title: string, conditions: string, stages: Stages): Array<Row> => {
  const total = Object.values(stages).reduce((sum, micros) => sum + micros, 0)
  console.log(`\n${title}`)
  const line = (stage: string, micros: number): void =>
    console.log(
      `  ${stage.padEnd(40)}${micros.toFixed(2).padStart(8)}${`${Math.round((100 * micros) / total)} %`.padStart(8)}`
    )
  console.log(`  ${"".padEnd(40)}${"µs".padStart(8)}${"share".padStart(8)}`)
  for (const [stage, micros] of Object.entries(stages).sort(([, a], [, b]) => b - a)) line(stage, micros)
  line("in all", total)
  return Object.entries({ ...stages, "in all": total }).map(([stage, value]) => ({
    system: "effect-quic",
    metric: `cost per packet: ${stage}`,
    conditions,
    value,
    unit: "µs"
  }))
}

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
