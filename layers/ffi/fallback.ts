import * as Effect from "effect/Effect"
import type { Missing } from "./native.ts"

/** For people; what several parts miss for one reason is said once. */
export const whatIsMissing = (missing: ReadonlyArray<Missing>): string =>
  [...new Set(missing.map(({ what, why }) => `${what} (${why})`))].join(", ")

/** One line about what the portable layer does instead, and why; none if nothing is missing. */
export const reportFallback = (missing: ReadonlyArray<Missing>): Effect.Effect<void> =>
  missing.length === 0
    ? Effect.void
    : Effect.logInfo(`the portable layer takes the place of ${whatIsMissing(missing)}`)
