/** Which nodes cannot reach which others. */

interface Cut {
  readonly from: ReadonlySet<string>
  readonly to: ReadonlySet<string>
}

export class Partitions {
  private readonly cuts: Array<Cut> = []

  /** Blocks all packets from `from` to `to`. Returns the function that undoes it. */
  cut(from: ReadonlyArray<string>, to: ReadonlyArray<string>): () => void {
    const cut = { from: new Set(from), to: new Set(to) }
    this.cuts.push(cut)
    return () => {
      const index = this.cuts.indexOf(cut)
      if (index !== -1) this.cuts.splice(index, 1)
    }
  }

  separates(from: string, to: string): boolean {
    for (const cut of this.cuts) if (cut.from.has(from) && cut.to.has(to)) return true
    return false
  }
}
