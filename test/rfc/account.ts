import type { Citation } from "./citations.ts"
import type { Exception, Requirement } from "./requirements.ts"

/** One requirement, and what is to be said of it. */
export interface Entry {
  readonly rfc: number
  /** `9000 §8.1` */
  readonly section: string
  /** Its place among the requirements of its section, from 1. */
  readonly number: number
  readonly sentence: string
  /** Why it needs neither code nor test. */
  readonly reason: string | undefined
  readonly code: ReadonlyArray<string>
  readonly tests: ReadonlyArray<string>
}

/** Whether it has a reason, or both the line that implements it and the test that proves it. */
export const isAccountedFor = ({ reason, code, tests }: Entry): boolean =>
  reason !== undefined || (code.length > 0 && tests.length > 0)

/** How many requirements each section has. */
const sizesOf = (requirements: ReadonlyArray<Requirement>): ReadonlyMap<string, number> => {
  const sizes = new Map<string, number>()
  for (const [rfc, section] of requirements) {
    const key = `${rfc} §${section}`
    sizes.set(key, (sizes.get(key) ?? 0) + 1)
  }
  return sizes
}

/** Citations of numbers that no requirement has. */
export const strayCitations = (
  requirements: ReadonlyArray<Requirement>,
  citations: ReadonlyArray<Citation>
): ReadonlyArray<Citation> => {
  const sizes = sizesOf(requirements)
  return citations.filter(({ section, numbers }) =>
    numbers.some((number) => number < 1 || number > (sizes.get(section) ?? 0))
  )
}

/** A citation without a number counts where its section has one requirement, and nowhere else. */
export const accountFor = (
  requirements: ReadonlyArray<Requirement>,
  exceptions: ReadonlyArray<Exception>,
  code: ReadonlyArray<Citation>,
  tests: ReadonlyArray<Citation>
): ReadonlyArray<Entry> => {
  const sizes = sizesOf(requirements)
  const seen = new Map<string, number>()
  return requirements.map(([rfc, bare, sentence]) => {
    const section = `${rfc} §${bare}`
    const number = (seen.get(section) ?? 0) + 1
    seen.set(section, number)
    const isAlone = sizes.get(section) === 1
    const places = (citations: ReadonlyArray<Citation>) =>
      citations
        .filter((each) => each.section === section)
        .filter(({ numbers }) => numbers.includes(number) || (isAlone && numbers.length === 0))
        // whoever names the number means it; a bare section may be there for another sentence
        .sort((one, other) => other.numbers.length - one.numbers.length)
        .map(({ place }) => place)
    const exception = exceptions.find(
      (each) => each.rfc === rfc && each.section === bare && (each.numbers?.includes(number) ?? true)
    )
    const reason = exception?.reason
    return { rfc, section, number, sentence, reason, code: places(code), tests: places(tests) }
  })
}
