/** Which cells the grid has, and their computation: in as many processes as there are cores. */
import { type ChildProcess, fork } from "node:child_process"
import { availableParallelism } from "node:os"
import { type Cell, type CellOptions, type SchedulerName, schedulers } from "./cell.ts"

export const RATIOS = [1, 2, 5, 10] as const
/** CUBIC takes any loss for congestion, so BBR is measured where there is some. */
export const LOSSES = [
  { lossRate: 0, congestion: "cubic" },
  { lossRate: 0.01, congestion: "bbr" },
  { lossRate: 0.05, congestion: "bbr" }
] as const

export interface Measured {
  readonly options: CellOptions
  readonly cell: Cell
}

export const schedulerNames = Object.keys(schedulers) as ReadonlyArray<SchedulerName>

/** As often as what is compared with all is measured, and what seems to fall short of it. */
const REPETITIONS = 8

export const repeated = (options: CellOptions): ReadonlyArray<CellOptions> =>
  Array.from({ length: REPETITIONS }, (_, seed) => ({ ...options, seed }))

/** The better of the paths alone, several times, then all schedulers on both. */
export const gridCells = (
  ratios: ReadonlyArray<number> = RATIOS,
  names: ReadonlyArray<SchedulerName> = schedulerNames
): ReadonlyArray<CellOptions> =>
  LOSSES.flatMap((conditions) => {
    const at = (scheduler: SchedulerName | undefined, rttRatio: number, rateRatio: number): CellOptions => ({
      ...conditions,
      scheduler,
      rttRatio,
      rateRatio,
      seed: 0
    })
    return [
      ...repeated(at(undefined, 1, 1)),
      ...names.flatMap((name) => ratios.flatMap((rtt) => ratios.map((rate) => at(name, rtt, rate))))
    ]
  })

export async function* measureGrid(
  cells: ReadonlyArray<CellOptions>,
  workers = availableParallelism()
): AsyncGenerator<Measured> {
  const waiting = [...cells]
  const done: Array<Measured> = []
  let ring = (): void => {}
  const failed: Array<Error> = []
  const running: Array<ChildProcess> = []
  for (let i = 0; i < Math.min(workers, cells.length); i++) {
    const child = fork(new URL("./worker.ts", import.meta.url))
    running.push(child)
    const give = (): void => {
      const options = waiting.shift()
      if (options === undefined) child.disconnect()
      else child.send(options)
    }
    child.on("message", (measured: Measured) => {
      done.push(measured)
      give()
      ring()
    })
    child.on("exit", (code) => {
      if (code !== 0) failed.push(new Error(`a worker of the grid ended with ${code}`))
      ring()
    })
    give()
  }
  try {
    for (let count = 0; count < cells.length; count++) {
      while (done.length === 0) {
        if (failed.length > 0) throw failed[0]
        await new Promise<void>((resolve) => (ring = resolve))
      }
      yield done.shift()!
    }
  } finally {
    for (const child of running) child.kill()
  }
}
