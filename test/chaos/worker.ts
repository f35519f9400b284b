/** A process that runs the seeds it is sent, one after the other. */
import { draw } from "./draw.ts"
import { runScenario } from "./runScenario.ts"

export interface Outcome {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly virtualMillis: number
  readonly excused: number
  readonly repeats: number
}

process.on("message", (seed: number) => {
  runScenario(draw(seed)).then(
    ({ problems, virtualMillis, excused, repeats }) =>
      report({ seed, problems, virtualMillis, excused, repeats }),
    (error: unknown) => report({ seed, problems: [String(error)], virtualMillis: 0, excused: 0, repeats: 0 })
  )
})

// whoever sent them has gone
process.on("disconnect", () => process.exit())

const report = (outcome: Outcome): void => {
  process.send?.(outcome)
}
