import { readFileSync } from "node:fs"

/** The RFCs whose every MUST and SHALL is accounted for. */
export const rfcs = [9000, 9001, 9002, 9221] as const

/** RFC, section, and the sentence. */
export type Requirement = readonly [rfc: number, section: string, sentence: string]

/** Requirements that are not for code of ours to meet, or that no test of ours can show to be met. */
export interface Exception {
  readonly rfc: number
  readonly section: string
  /** Which of the section's requirements, from 1, in the order of `requirements.json`. Left out: all of them. */
  readonly numbers?: ReadonlyArray<number>
  readonly reason: string
}

const load = (name: string): unknown => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"))

export const loadRequirements = (): ReadonlyArray<Requirement> =>
  load("requirements.json") as ReadonlyArray<Requirement>

export const loadExceptions = (): ReadonlyArray<Exception> =>
  load("exceptions.json") as ReadonlyArray<Exception>
