/** Validation of simulation options: invalid values are rejected immediately, by field name. */

/**
 * An invalid option of a simulated network; `field` names it. Thrown, as it is a mistake in the test.
 *
 * @category errors
 * @since 0.1.0
 */
export class SimConfigError extends Error {
  /** Tells it from other errors. */
  override readonly name = "SimConfigError"
  /** Path of the option, such as `link.loss.rate`. */
  readonly field: string

  constructor(field: string, problem: string) {
    super(`${field} ${problem}`)
    this.field = field
  }
}

const shown = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value))

/** A number from `minimum` to `maximum`, inclusive. */
export const checkRange = (field: string, value: number, minimum: number, maximum: number): void => {
  if (typeof value === "number" && value >= minimum && value <= maximum) return
  throw new SimConfigError(field, `must be a number from ${minimum} to ${maximum}, but is ${shown(value)}`)
}

export const checkProbability = (field: string, value: number): void => checkRange(field, value, 0, 1)

export const checkInteger = (field: string, value: number, minimum: number, maximum: number): void => {
  checkRange(field, value, minimum, maximum)
  if (!Number.isInteger(value) && value !== Infinity) {
    throw new SimConfigError(field, `must be an integer, but is ${value}`)
  }
}

/** One of the allowed strings. */
export const checkOneOf = (field: string, value: string, allowed: ReadonlyArray<string>): void => {
  if (allowed.includes(value)) return
  throw new SimConfigError(field, `must be one of ${allowed.join(", ")}, but is ${shown(value)}`)
}

/** Only allowed fields: a misspelt one would be silently ignored. */
export const checkFields = (field: string, value: object, allowed: ReadonlyArray<string>): void => {
  for (const name of Object.keys(value)) {
    if (!allowed.includes(name)) {
      throw new SimConfigError(`${field}.${name}`, `is unknown; expected one of ${allowed.join(", ")}`)
    }
  }
}
