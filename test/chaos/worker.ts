/** A process that runs the seeds it is sent, one after the other. */
import { draw } from "./draw.ts"
import { runScenario } from "./runScenario.ts"

export interface Outcome {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly millis: number
  readonly virtualMillis: number
  readonly excused: number
}

process.on("message", (seed: number) => {
  const start = performance.now()
  runScenario(draw(seed)).then(
    ({ problems, virtualMillis, excused }) =>
      report({ seed, problems, millis: performance.now() - start, virtualMillis, excused }),
    (error: unknown) =>
      report({
        seed,
        problems: [String(error)],
        millis: performance.now() - start,
        virtualMillis: 0,
        excused: 0
      })
  )
})

const report = (outcome: Outcome): void => {
  process.send?.(outcome)
}
