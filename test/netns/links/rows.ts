/** The rows of two emulated links, for the table and the JSON of the other networks. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { CommandFailed } from "../commands.ts"
import type { Row } from "../matrix.ts"
import { sweep } from "../namespaces.ts"
import { type Cell, cells } from "./cells.ts"

export const linksScenario = "multipath"

/** A cell takes half a minute at most where nothing else runs. */
const timeoutMillis = 240_000

const rowOf = (cell: Cell, isFull: boolean, requireAll: boolean): Effect.Effect<Row> => {
  const named = { scenario: linksScenario, peer: cell.name, stallMillis: null } as const
  return Effect.scoped(cell.measure(isFull)).pipe(
    Effect.timeout(timeoutMillis),
    Effect.map(({ summary, problem, figures }): Row => {
      const result = problem === undefined ? "pass" : "fail"
      return { ...named, result, reason: problem === undefined ? summary : `${problem}: ${summary}`, figures }
    }),
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      if (error instanceof CommandFailed && !(requireAll && error.isMissing))
        return Effect.succeed<Row>({ ...named, result: "unsupported", reason: error.message })
      return Effect.succeed<Row>({ ...named, result: "fail", reason: Cause.pretty(cause) })
    })
  )
}

/** One after the other, as they would take each other's time. */
export const runLinks = Effect.fnUntraced(function* (options: {
  /** Long enough for the figures. */
  readonly isFull: boolean
  readonly cell?: string | undefined
  readonly requireAll: boolean
  readonly onRow: (row: Row) => void
}) {
  sweep()
  const rows: Array<Row> = []
  for (const cell of cells.filter(({ name }) => name.startsWith(options.cell ?? ""))) {
    const row = yield* rowOf(cell, options.isFull, options.requireAll)
    rows.push(row)
    options.onRow(row)
  }
  return rows
})
