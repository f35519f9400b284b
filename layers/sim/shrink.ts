/**
 * Shrinks failing inputs: first to fewer parts (Zeller's ddmin), then to simpler ones. Deterministic if the test is, and
 * limited to `maxRuns`, after which it returns the best found.
 */

/**
 * Whether the candidate still fails in the same way.
 *
 * @category models
 * @since 0.1.0
 */
export type StillFails<T> = (candidate: T) => Promise<boolean>

/**
 * Limits of shrinking.
 *
 * @category options
 * @since 0.1.0
 */
export interface ShrinkOptions {
  /** Most runs to spend. Default 300. */
  readonly maxRuns?: number
}

/** Counts the runs; once used up, returns false without running. */
export class RunBudget {
  runs = 0
  private readonly maxRuns: number

  constructor({ maxRuns = 300 }: ShrinkOptions = {}) {
    this.maxRuns = maxRuns
  }

  async try(run: () => Promise<boolean>): Promise<boolean> {
    if (this.runs >= this.maxRuns) return false
    this.runs++
    return run()
  }
}

/** A subset of `items` that still fails and from which no item can be removed, within the budget. */
export const fewer = async <T>(
  items: ReadonlyArray<T>,
  stillFails: StillFails<ReadonlyArray<T>>,
  budget = new RunBudget()
): Promise<ReadonlyArray<T>> => {
  if (items.length > 0 && (await budget.try(() => stillFails([])))) return []
  let best = items
  let parts = 2
  while (best.length > 1) {
    const size = Math.ceil(best.length / parts)
    let isSmaller = false
    for (let start = 0; start < best.length; start += size) {
      const without = [...best.slice(0, start), ...best.slice(start + size)]
      if (!(await budget.try(() => stillFails(without)))) continue
      best = without
      parts = Math.max(2, parts - 1)
      isSmaller = true
      break
    }
    if (isSmaller) continue
    if (size === 1) break
    parts = Math.min(best.length, parts * 2)
  }
  return best
}

/** Replaces each item by a simpler one where possible; `simpler` lists candidates, best first. */
export const simplest = async <T>(
  items: ReadonlyArray<T>,
  simpler: (item: T) => ReadonlyArray<T>,
  stillFails: StillFails<ReadonlyArray<T>>,
  budget = new RunBudget()
): Promise<ReadonlyArray<T>> => {
  const best = [...items]
  for (let i = 0; i < best.length; i++) {
    let isSimplest = false
    while (!isSimplest) {
      isSimplest = true
      for (const candidate of simpler(best[i])) {
        const changed = best.with(i, candidate)
        if (!(await budget.try(() => stillFails(changed)))) continue
        best[i] = candidate
        isSimplest = false
        break
      }
    }
  }
  return best
}

/** Smaller or rounder candidates for a number, best first; all are less than it. */
export const simplerNumbers = (value: number, least = 0): ReadonlyArray<number> => {
  const candidates = [least, Math.floor(value / 2), Math.floor(value / 1000) * 1000]
  for (const grain of [100, 10, 1]) candidates.push(Math.floor(value / grain) * grain)
  return [...new Set(candidates)].filter((each) => each >= least && each < value)
}
