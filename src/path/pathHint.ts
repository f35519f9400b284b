/**
 * On which path data is to be sent, as a number that queues can compare: it is looked at for each packet.
 *
 * Data waits for a path that it prefers as long as that carries data; then it is sent on any.
 */
export type PathHint = number

export const ANY_PATH: PathHint = 0
export const LOWEST_LATENCY: PathHint = 3
export const LOWEST_COST: PathHint = 7

export const preferringPath = (id: number): PathHint => 4 * id + 1
export const avoidingPath = (id: number): PathHint => 4 * id + 2

/** Of `hint`: whether it names a path to use, one to avoid, or neither; and which. */
export const prefersPath = (hint: PathHint): boolean => hint % 4 === 1
export const avoidsPath = (hint: PathHint): boolean => hint % 4 === 2
export const hintedPath = (hint: PathHint): number => Math.floor(hint / 4)
