import { SeededRandom } from "../../layers/sim/SeededRandom.ts"

/** What scenarios are drawn with. Counts tags: each task has its own, and its bytes depend on it. */
export class Draw extends SeededRandom {
  private tags: number

  constructor(seed: string, tags = 0) {
    super(seed)
    this.tags = tags
  }

  nextTag(): number {
    return ++this.tags
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  /** Log-uniform: small numbers are as likely as large ones. */
  size(least: number, most: number): number {
    return Math.floor(least * (most / least) ** this.nextDoubleUnsafe())
  }

  of<T>(choices: ReadonlyArray<T>): T {
    return choices[this.below(choices.length)]
  }

  times<T>(count: number, make: (index: number) => T): Array<T> {
    return Array.from({ length: count }, (_, index) => make(index))
  }
}
