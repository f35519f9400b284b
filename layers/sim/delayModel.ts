/** Propagation delay of a link, in addition to serialisation and queuing. Times are in milliseconds. */
import type { SeededRandom } from "./SeededRandom.ts"
import { checkFields, checkOneOf, checkRange } from "./simConfig.ts"

/**
 * How long a link delays packets: a fixed time, or a distribution to draw from.
 *
 * @category models
 * @since 0.1.0
 */
export type DelayModel =
  | {
      /** Always the same. */
      readonly kind: "fixed"
      /** 0 to one day. */
      readonly millis: number
    }
  | {
      /** Between two bounds. */
      readonly kind: "uniform"
      /** Minimum delay, 0 to one day. */
      readonly millis: number
      /** Maximum added delay. */
      readonly jitterMillis: number
    }
  | {
      /** Normal distribution, truncated at zero. */
      readonly kind: "normal"
      /** Mean before truncation. */
      readonly meanMillis: number
      /** Standard deviation. */
      readonly deviationMillis: number
    }
  | {
      /** Pareto distribution: most packets take little more than the minimum, a few very much longer. */
      readonly kind: "pareto"
      /** Minimum delay. */
      readonly minMillis: number
      /** The smaller, the heavier the tail; the mean is `minMillis * shape / (shape - 1)`. 1 to 100; 1 has no mean. */
      readonly shape: number
      /** Maximum delay. Default one minute. */
      readonly maxMillis?: number
    }

const dayMillis = 86_400_000
const defaultParetoMaxMillis = 60_000

/** The delay of one packet. Draws twice for every model, so that changing the model does not shift later draws. */
export const delayOf = (model: DelayModel, random: SeededRandom): number => {
  const first = random.nextDoubleUnsafe()
  const second = random.nextDoubleUnsafe()
  switch (model.kind) {
    case "fixed":
      return model.millis
    case "uniform":
      return model.millis + first * model.jitterMillis
    case "normal":
      return Math.max(0, model.meanMillis + model.deviationMillis * standardNormal(first, second))
    case "pareto":
      return Math.min(
        model.minMillis / (1 - first) ** (1 / model.shape),
        model.maxMillis ?? defaultParetoMaxMillis
      )
  }
}

/** The Box–Muller transform of two uniform draws from [0, 1). */
const standardNormal = (first: number, second: number): number =>
  Math.sqrt(-2 * Math.log(1 - first)) * Math.cos(2 * Math.PI * second)

export const checkDelay = (field: string, model: DelayModel): void => {
  const check = (name: string, value: number, minimum = 0, maximum = dayMillis): void =>
    checkRange(`${field}.${name}`, value, minimum, maximum)
  checkOneOf(`${field}.kind`, model.kind, ["fixed", "uniform", "normal", "pareto"])
  switch (model.kind) {
    case "fixed":
      checkFields(field, model, ["kind", "millis"])
      return check("millis", model.millis)
    case "uniform":
      checkFields(field, model, ["kind", "millis", "jitterMillis"])
      check("millis", model.millis)
      return check("jitterMillis", model.jitterMillis)
    case "normal":
      checkFields(field, model, ["kind", "meanMillis", "deviationMillis"])
      check("meanMillis", model.meanMillis)
      return check("deviationMillis", model.deviationMillis)
    case "pareto":
      checkFields(field, model, ["kind", "minMillis", "shape", "maxMillis"])
      check("minMillis", model.minMillis)
      check("shape", model.shape, 1, 100)
      if (model.maxMillis !== undefined) check("maxMillis", model.maxMillis, model.minMillis)
  }
}
