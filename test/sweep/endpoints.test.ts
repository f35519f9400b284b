import { describe, it } from "vitest"
import { endpointSweeps } from "./endpoints.ts"
import { sweepOver } from "./sweep.ts"

describe("an interrupt at any step leaves nothing behind", () => {
  for (const sweep of endpointSweeps) it(sweep.name, () => sweepOver(sweep, { seeds: 1 }))
})
