import type { Citation } from "./citations.ts"
import type { Exception, Requirement } from "./requirements.ts"

/** One requirement and how it is met. */
export interface Entry {
  readonly rfc: number
  /** `9000 §8.1` */
  readonly section: string
  /** Its number within the section, `2` or `S2`. */
  readonly label: string
  readonly sentence: string
  /** Why neither code nor a test is needed. */
  readonly reason: string | undefined
  readonly code: ReadonlyArray<string>
  readonly tests: ReadonlyArray<string>
}

/** Whether it has a reason, or both an implementing line and a test. */
export const isAccountedFor = ({ reason, code, tests }: Entry): boolean =>
  reason !== undefined || (code.length > 0 && tests.length > 0)

/** The labels of each section's requirements. */
const labelsOf = (requirements: ReadonlyArray<Requirement>): ReadonlyMap<string, ReadonlyArray<string>> => {
  const labels = new Map<string, Array<string>>()
  for (const { rfc, section, label } of requirements) {
    const known = labels.get(`${rfc} §${section}`)
    if (known === undefined) labels.set(`${rfc} §${section}`, [label])
    else known.push(label)
  }
  return labels
}

/** Citations of requirements that do not exist. */
export const strayCitations = (
  requirements: ReadonlyArray<Requirement>,
  citations: ReadonlyArray<Citation>
): ReadonlyArray<Citation> => {
  const known = labelsOf(requirements)
  return citations.filter(({ section, labels }) =>
    labels.some((label) => !(known.get(section)?.includes(label) ?? false))
  )
}

/** An unnumbered citation counts only if its section has exactly one MUST, and never for a SHOULD. */
export const accountFor = (
  requirements: ReadonlyArray<Requirement>,
  exceptions: ReadonlyArray<Exception>,
  code: ReadonlyArray<Citation>,
  tests: ReadonlyArray<Citation>
): ReadonlyArray<Entry> => {
  const known = labelsOf(requirements)
  return requirements.map(({ rfc, section: bare, label, sentence }) => {
    const section = `${rfc} §${bare}`
    const isOnlyMust = label === "1" && !known.get(section)?.includes("2")
    const places = (citations: ReadonlyArray<Citation>) =>
      citations
        .filter((each) => each.section === section)
        .filter(({ labels }) => labels.includes(label) || (isOnlyMust && labels.length === 0))
        // explicit numbers first: a bare section may refer to another sentence
        .sort((one, other) => other.labels.length - one.labels.length)
        .map(({ place }) => place)
    const exception = exceptions.find(
      (each) =>
        each.rfc === rfc && each.section === bare && (each.numbers?.map(String).includes(label) ?? true)
    )
    const reason = exception?.reason
    return { rfc, section, label, sentence, reason, code: places(code), tests: places(tests) }
  })
}
