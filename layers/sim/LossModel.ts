/** Which packets chance takes. */
import type { SeededRandom } from "./SeededRandom.ts"
import { checkFields, checkOneOf, checkProbability } from "./simConfig.ts"

export type LossModel =
  | {
      readonly kind: "independent"
      /** The probability that a packet is lost. */
      readonly rate: number
    }
  | {
      /**
       * Bursts: the link is in a good or in a bad state, and each packet may move it to the other. The mean burst of the
       * bad state is `1 / toGood` packets; the share of packets that find it bad, `toBad / (toBad + toGood)`.
       */
      readonly kind: "gilbertElliott"
      /** The probability, per packet, of going from good to bad. */
      readonly toBad: number
      /** The probability, per packet, of going from bad to good. */
      readonly toGood: number
      /** The probability that a packet is lost in the bad state. Default 1. */
      readonly lossInBad?: number
      /** The probability that a packet is lost in the good state. Default 0. */
      readonly lossInGood?: number
    }

/** What a link remembers from packet to packet in order to lose them in bursts. */
export class LossProcess {
  private isBad = false

  /** Whether this packet is lost. Draws twice whatever the model, so that fates stay aligned when the model is changed. */
  loses(model: LossModel, random: SeededRandom): boolean {
    const fate = random.nextDoubleUnsafe()
    const transition = random.nextDoubleUnsafe()
    if (model.kind === "independent") return fate < model.rate
    const lost = fate < (this.isBad ? (model.lossInBad ?? 1) : (model.lossInGood ?? 0))
    if (transition < (this.isBad ? model.toGood : model.toBad)) this.isBad = !this.isBad
    return lost
  }
}

export const checkLoss = (field: string, model: LossModel): void => {
  checkOneOf(`${field}.kind`, model.kind, ["independent", "gilbertElliott"])
  if (model.kind === "independent") {
    checkFields(field, model, ["kind", "rate"])
    return checkProbability(`${field}.rate`, model.rate)
  }
  checkFields(field, model, ["kind", "toBad", "toGood", "lossInBad", "lossInGood"])
  checkProbability(`${field}.toBad`, model.toBad)
  checkProbability(`${field}.toGood`, model.toGood)
  checkProbability(`${field}.lossInBad`, model.lossInBad ?? 1)
  checkProbability(`${field}.lossInGood`, model.lossInGood ?? 0)
}
