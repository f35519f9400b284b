import { readFileSync } from "node:fs"

/** The RFCs whose MUSTs, SHALLs, SHOULDs and RECOMMENDEDs are all accounted for. */
export const rfcs = [9000, 9001, 9002, 9221] as const

/** RFC, section, and the sentence. */
export type Sentence = readonly [rfc: number, section: string, sentence: string]

export interface Requirement {
  readonly rfc: number
  readonly section: string
  /** `2`: the second MUST or SHALL of its section; `S2`: the second SHOULD or RECOMMENDED. */
  readonly label: string
  readonly sentence: string
}

/** Requirements that do not apply to our code, or that no test can verify. */
export interface Exception {
  readonly rfc: number
  readonly section: string
  /** Which of the section's requirements: 2 or "S2"; all of them if omitted. */
  readonly numbers?: ReadonlyArray<number | string>
  readonly reason: string
}

const load = (name: string): unknown => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"))

/** Numbers the sentences within each section, from 1. */
const labelled = (sentences: ReadonlyArray<Sentence>, prefix: string): ReadonlyArray<Requirement> => {
  const seen = new Map<string, number>()
  return sentences.map(([rfc, section, sentence]) => {
    const number = (seen.get(`${rfc} §${section}`) ?? 0) + 1
    seen.set(`${rfc} §${section}`, number)
    return { rfc, section, label: `${prefix}${number}`, sentence }
  })
}

/** By section, MUSTs before SHOULDs. */
export const requirementsOf = (
  musts: ReadonlyArray<Sentence>,
  shoulds: ReadonlyArray<Sentence>
): ReadonlyArray<Requirement> =>
  [...labelled(musts, ""), ...labelled(shoulds, "S")].sort(
    (one, other) => one.rfc - other.rfc || one.section.localeCompare(other.section, "en", { numeric: true })
  )

export const loadRequirements = (): ReadonlyArray<Requirement> =>
  requirementsOf(
    load("requirements.json") as ReadonlyArray<Sentence>,
    load("recommendations.json") as ReadonlyArray<Sentence>
  )

export const loadExceptions = (): ReadonlyArray<Exception> =>
  load("exceptions.json") as ReadonlyArray<Exception>
