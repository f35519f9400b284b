/** The states of BBR and their gains. draft-ietf-ccwg-bbr §5.1, §5.6.1 */

export type BbrState = "startup" | "drain" | "down" | "cruise" | "refill" | "up" | "probeRtt"

/** Pacing and window gain of each state. §5.6.1 */
export const gains: { readonly [state in BbrState]: readonly [pacing: number, window: number] } = {
  startup: [2.77, 2],
  drain: [0.5, 2],
  down: [0.9, 2],
  cruise: [1, 2],
  refill: [1, 2],
  up: [1.25, 2.25],
  probeRtt: [1, 0.5]
}

/** §5.3.3 */
export const isInProbeBw = (state: BbrState): boolean =>
  state === "down" || state === "cruise" || state === "refill" || state === "up"
