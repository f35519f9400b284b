/** Checks of what a simulation is told: a value that cannot be meant is refused at once, by its name. */

/** What a simulated network was told makes no sense. `field` says where. */
export class SimConfigError extends Error {
  override readonly name = "SimConfigError"
  readonly field: string

  constructor(field: string, problem: string) {
    super(`${field} ${problem}`)
    this.field = field
  }
}

const shown = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value))

/** A number from `minimum` to `maximum`, both included. */
export const checkRange = (field: string, value: number, minimum: number, maximum: number): void => {
  if (typeof value === "number" && value >= minimum && value <= maximum) return
  throw new SimConfigError(field, `must be a number from ${minimum} to ${maximum}, and is ${shown(value)}`)
}

export const checkProbability = (field: string, value: number): void => checkRange(field, value, 0, 1)

export const checkInteger = (field: string, value: number, minimum: number, maximum: number): void => {
  checkRange(field, value, minimum, maximum)
  if (!Number.isInteger(value) && value !== Infinity) {
    throw new SimConfigError(field, `must be a whole number, and is ${value}`)
  }
}

/** One of the words allowed. */
export const checkOneOf = (field: string, value: string, allowed: ReadonlyArray<string>): void => {
  if (allowed.includes(value)) return
  throw new SimConfigError(field, `must be one of ${allowed.join(", ")}, and is ${shown(value)}`)
}

/** No field but those allowed: a misspelt one would do nothing, and say nothing. */
export const checkFields = (field: string, value: object, allowed: ReadonlyArray<string>): void => {
  for (const name of Object.keys(value)) {
    if (!allowed.includes(name)) {
      throw new SimConfigError(`${field}.${name}`, `is not known here; known are ${allowed.join(", ")}`)
    }
  }
}
