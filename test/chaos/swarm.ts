/** Runs seeds in worker processes and reports each outcome in completion order. */
import { fork } from "node:child_process"
import { availableParallelism } from "node:os"
import { unfinished, type Outcome } from "./Outcome.ts"

/** Real-time limit per seed: longer means stuck in code that does not advance virtual time. */
const stuckMillis = 120_000

const script = new URL("./worker.ts", import.meta.url)

export async function* swarm(
  from: number,
  seeds: number,
  workers = availableParallelism()
): AsyncGenerator<Outcome> {
  const outcomes: Array<Outcome> = []
  let ring = (): void => {}
  let next = from
  const finish = (outcome: Outcome): void => {
    outcomes.push(outcome)
    ring()
  }
  const start = (): void => {
    const child = fork(script)
    let seed: number | undefined
    let stuck: NodeJS.Timeout | undefined
    const give = (): void => {
      clearTimeout(stuck)
      if (next >= from + seeds) {
        seed = undefined
        child.disconnect()
        return
      }
      seed = next++
      stuck = setTimeout(() => child.kill("SIGKILL"), stuckMillis)
      child.send(seed)
    }
    child.on("message", (outcome: Outcome) => {
      finish(outcome)
      give()
    })
    child.on("exit", (code, signal) => {
      clearTimeout(stuck)
      if (seed === undefined) return
      const problem = `its process ended (${signal ?? code}); the limit is ${stuckMillis / 1000} s`
      finish({ ...unfinished, seed, problems: [problem] })
      if (next < from + seeds) start()
    })
    give()
  }
  for (let i = 0; i < Math.min(workers, seeds); i++) start()
  for (let done = 0; done < seeds; done++) {
    if (outcomes.length === 0) await new Promise<void>((resolve) => (ring = resolve))
    yield outcomes.shift()!
  }
}
