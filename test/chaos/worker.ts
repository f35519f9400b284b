/** A process that runs the seeds it is sent, one after the other. */
import { draw } from "./draw.ts"
import { unfinished, type Outcome } from "./Outcome.ts"
import { runScenario } from "./runScenario.ts"

process.on("message", (seed: number) => {
  runScenario(draw(seed)).then(
    (verdict) => report({ seed, ...verdict }),
    (error: unknown) => report({ ...unfinished, seed, problems: [String(error)] })
  )
})

// the parent is gone
process.on("disconnect", () => process.exit())

const report = (outcome: Outcome): void => {
  process.send?.(outcome)
}
