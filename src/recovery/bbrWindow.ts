/** BBR's congestion window, as a function of its model. draft-ietf-ccwg-bbr §5.6.4 */
import type { BbrLossModel } from "./BbrLossModel.ts"
import type { BbrPathModel } from "./BbrPathModel.ts"
import type { BbrPipe } from "./BbrPipe.ts"
import { type BbrState, gains, isInProbeBw } from "./BbrStates.ts"
import { initialWindow } from "./CongestionController.ts"
import type { DeliveryRate } from "./DeliveryRate.ts"

/** What the window depends on. */
export interface BbrSnapshot {
  readonly window: number
  readonly state: BbrState
  /** Bytes per microsecond. */
  readonly bandwidth: number
  readonly rate: DeliveryRate
  readonly model: BbrPathModel
  readonly losses: BbrLossModel
  readonly pipe: BbrPipe
  pacingRate(): number
}

/** The window while the propagation delay is probed for. §5.6.4.5 */
export const probeRttWindow = ({ pipe, bandwidth }: BbrSnapshot): number =>
  Math.max(pipe.bdp(bandwidth, gains.probeRtt[1]), pipe.minimum)

/** The window after an ACK. §5.6.4.6 */
export const nextWindow = (bbr: BbrSnapshot): number => {
  const { rate, model, pipe, state, bandwidth } = bbr
  const wanted = pipe.bdp(bandwidth, gains[state][1]) + model.extraAcked
  const maxInflight = pipe.withBudget(wanted, bbr.pacingRate(), state === "up")
  let { window } = bbr
  if (model.fullPipe.wasReached) {
    window = Math.min(window + rate.newlyAcked, maxInflight)
  } else if (window < maxInflight || rate.delivered < initialWindow(pipe.maxDatagramSize)) {
    window += rate.newlyAcked
  }
  window = Math.max(window, pipe.minimum)
  if (state === "probeRtt") window = Math.min(window, probeRttWindow(bbr))
  return Math.min(window, upperBound(bbr))
}

/** §5.6.4.7 */
const upperBound = ({ losses, state, pipe }: BbrSnapshot): number => {
  let cap = Number.POSITIVE_INFINITY
  if (state === "cruise" || state === "probeRtt") {
    cap = losses.inflightWithHeadroom(pipe.maxDatagramSize, pipe.minimum)
  } else if (isInProbeBw(state)) {
    cap = losses.inflightLongTerm
  }
  return Math.max(Math.min(cap, losses.inflightShortTerm), pipe.minimum)
}
