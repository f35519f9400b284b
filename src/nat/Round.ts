/** An attempt. */
export interface Round {
  /** As on the wire, from 1; 0 before the first. */
  number: number
  startMicros: number
  /** client: the server was asked to reach out to them. */
  readonly told: Set<string>
  /** server: the client has asked for it, and it has not begun. */
  isAsked: boolean
  /** When the next pairs are begun. */
  paceMicros: number
  /** When the best pair so far is taken. */
  graceMicros: number
}

/** One that begins now. */
export const roundOf = (number: number, startMicros: number): Round => ({
  number,
  startMicros,
  told: new Set(),
  isAsked: false,
  paceMicros: Number.NEGATIVE_INFINITY,
  graceMicros: Number.POSITIVE_INFINITY
})
