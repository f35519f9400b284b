/** The cells of the grid by what they were measured for, and what must hold for all of them. */
import type { Cell, CellOptions, SchedulerName } from "./cell.ts"
import { LOSSES, type Measured } from "./run.ts"

/** How much of the better path a scheduler may lose to chance. */
const TOLERANCE = 0.02

export class Grid {
  private readonly cells = new Map<string, Array<Cell>>()

  add({ options, cell }: Measured): void {
    const { scheduler, lossRate, rttRatio, rateRatio } = options
    const key = keyOf(scheduler, lossRate, rttRatio, rateRatio)
    this.cells.set(key, [...(this.cells.get(key) ?? []), cell])
  }

  /** The mean of the repetitions; undefined if it was not measured. */
  at(
    scheduler: SchedulerName | undefined,
    lossRate: number,
    rttRatio: number,
    rateRatio: number
  ): Cell | undefined {
    const cells = this.cells.get(keyOf(scheduler, lossRate, rttRatio, rateRatio))
    if (cells === undefined) return undefined
    const mean = (of: (cell: Cell) => number): number =>
      cells.reduce((sum, cell) => sum + of(cell), 0) / cells.length
    return {
      bitsPerSecond: mean((cell) => cell.bitsPerSecond),
      share: mean((cell) => cell.share),
      messageMillis: mean((cell) => cell.messageMillis),
      hintedMillis: mean((cell) => cell.hintedMillis)
    }
  }

  /** The better of the paths alone. */
  alone(lossRate: number): Cell | undefined {
    return this.at(undefined, lossRate, 1, 1)
  }

  /** What two paths carry, as a fraction of what the better of them carries alone. */
  gain({ scheduler, lossRate, rttRatio, rateRatio }: CellOptions): number {
    const cell = this.at(scheduler, lossRate, rttRatio, rateRatio)
    const alone = this.alone(lossRate)
    return cell === undefined || alone === undefined ? Number.NaN : cell.bitsPerSecond / alone.bitsPerSecond
  }

  isWorse(options: CellOptions): boolean {
    return this.gain(options) < 1 - TOLERANCE
  }

  get losses(): ReadonlyArray<(typeof LOSSES)[number]> {
    return LOSSES.filter(({ lossRate }) => this.alone(lossRate) !== undefined)
  }
}

const keyOf = (...parts: ReadonlyArray<unknown>): string => parts.join()
