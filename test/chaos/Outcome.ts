/** How one seed went. */
export interface Outcome {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly virtualMillis: number
  readonly excused: number
  readonly repeats: number
  /** Of the packet trace. */
  readonly digest: string
}

/** What is known of a seed that came to nothing. */
export const nothing = { virtualMillis: 0, excused: 0, repeats: 0, digest: "" }
