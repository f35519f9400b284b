/** The rows of the kernel's NATs, for the table and the JSON of the other networks. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CommandFailed } from "../commands.ts"
import type { Row } from "../matrix.ts"
import { sweep } from "../namespaces.ts"
import { proveKinds } from "./kinds.ts"
import { NatNetwork } from "./NatNetwork.ts"

export const natScenario = "nat"

export interface NatRowOptions {
  /** The beginning of a row's name. */
  readonly cell?: string | undefined
  /** A program that is not installed is a failure. */
  readonly requireAll: boolean
  readonly onRow: (row: Row) => void
}

/** One after the other, in one network whose NATs change. */
export const runNat = Effect.fnUntraced(function* ({ cell = "", requireAll, onRow }: NatRowOptions) {
  sweep()
  const rows: Array<Row> = []
  const report = (row: Omit<Row, "scenario" | "stallMillis">): void => {
    const all = { scenario: natScenario, stallMillis: null, ...row }
    rows.push(all)
    onRow(all)
  }
  const measure = Effect.gen(function* (): Effect.fn.Return<void, never, Scope.Scope> {
    const network = yield* NatNetwork.make
    if ("kind".startsWith(cell) || cell.startsWith("kind"))
      yield* proveKinds(network, ({ kind, found, findings }) =>
        report({
          peer: `kind ${kind}`,
          result: kind === found ? "pass" : "fail",
          reason: kind === found ? "plain UDP finds it so" : `plain UDP finds: ${found}`,
          figures: { findings: findings ?? null }
        })
      )
  })
  yield* Effect.scoped(measure).pipe(
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      const isHere = error instanceof CommandFailed && !(requireAll && error.isMissing)
      return Effect.sync(() =>
        report({
          peer: "all",
          result: isHere ? "unsupported" : "fail",
          reason: isHere ? error.message : Cause.pretty(cause)
        })
      )
    })
  )
  return rows
})
