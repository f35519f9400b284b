import * as Effect from "effect/Effect"
import type { Missing } from "./native.ts"

/** One line about what the portable layer does instead, and why; none if nothing is missing. */
export const reportFallback = (
  service: "UdpPort" | "CryptoSuite",
  missing: ReadonlyArray<Missing>
): Effect.Effect<void> =>
  missing.length === 0
    ? Effect.void
    : Effect.logInfo(
        `${service}: the portable layer takes the place of ${missing.map(({ what, why }) => `${what} (${why})`).join(", ")}`
      )
