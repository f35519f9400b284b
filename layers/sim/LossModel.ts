/** Random packet loss. */
import type { SeededRandom } from "./SeededRandom.ts"
import { checkFields, checkOneOf, checkProbability } from "./simConfig.ts"

/**
 * How a link loses packets: independently of each other, or in bursts (Gilbert–Elliott).
 *
 * @category models
 * @since 0.1.0
 */
export type LossModel =
  | {
      /** Each packet on its own. */
      readonly kind: "independent"
      /** The probability that a packet is lost. */
      readonly rate: number
    }
  | {
      /**
       * Bursts: the link is in a good or bad state, which may change with each packet. The mean duration of the bad state
       * is `1 / toGood` packets; the fraction of packets in it is `toBad / (toBad + toGood)`.
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

/** The state of a link for losing packets in bursts. */
export class LossProcess {
  private isBad = false

  /** Whether this packet is lost. Draws twice for every model, so that changing the model does not shift later draws. */
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
