/** The result of one seed. */
export interface Outcome {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly virtualMillis: number
  readonly excused: number
  readonly repeats: number
  /** Digest of the packet trace. */
  readonly digest: string
}

/** The outcome of a seed that did not finish. */
export const unfinished = { virtualMillis: 0, excused: 0, repeats: 0, digest: "" }
