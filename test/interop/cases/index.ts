/** All cases, in table order. */
import { basicCases } from "./basic.ts"
import { featureCases } from "./features.ts"
import type { Case } from "./exchange.ts"
import { networkCases } from "./network.ts"

export type { Case, Pairing } from "./exchange.ts"

export const cases: ReadonlyArray<Case> = [...basicCases, ...featureCases, ...networkCases]
