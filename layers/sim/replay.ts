/** Environment variables that replay a run: seed, interleaving and faults. */
import type { FaultSchedule } from "./FaultSchedule.ts"
import type { Interleaving } from "./RunQueue.ts"
import type { SimOptions } from "./Simulation.ts"

const seedVariable = "EFFECT_QUIC_SEED"
const interleavingVariable = "EFFECT_QUIC_INTERLEAVING"

/** Overrides the given seed and options with those in the environment. */
export const replayed = <Options extends SimOptions>(
  seed: string | number,
  options: Options
): { readonly seed: string | number; readonly options: Options; readonly isReplay: boolean } => {
  const wanted = process.env[seedVariable]
  const interleaving = process.env[interleavingVariable]
  if (interleaving !== undefined && interleaving !== "fifo" && interleaving !== "seeded")
    throw new Error(`${interleavingVariable} is ${interleaving}; must be fifo or seeded.`)
  return {
    seed: wanted ?? seed,
    options:
      interleaving === undefined
        ? options
        : { ...options, interleaving: interleaving satisfies Interleaving },
    isReplay: wanted !== undefined
  }
}

/** The environment variable with a fault schedule as JSON. */
export const faultsVariable = "EFFECT_QUIC_FAULTS"

/** The fault schedule in the environment, if any; names are checked when it is applied. */
export const replayedFaults = (): FaultSchedule | undefined => {
  const json = process.env[faultsVariable]
  if (json === undefined) return undefined
  try {
    const schedule: unknown = JSON.parse(json)
    if (Array.isArray(schedule)) return schedule as FaultSchedule
  } catch {}
  throw new Error(`${faultsVariable} is not a fault schedule in JSON: ${json}`)
}

/** For a POSIX shell. */
export const replayVariables = (seed: string | number, { interleaving = "fifo" }: SimOptions): string => {
  const variables = `${seedVariable}=${shellQuoted(String(seed))}`
  return interleaving === "fifo" ? variables : `${variables} ${interleavingVariable}=${interleaving}`
}

/** `text` as one word of a POSIX shell. */
export const shellQuoted = (text: string): string =>
  /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
