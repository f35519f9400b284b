import { describe, it } from "vitest"
import { streamSweeps } from "./streams.ts"
import { sweepOver } from "./sweep.ts"

describe("an interrupt at any step leaves nothing behind", () => {
  for (const sweep of streamSweeps) it(sweep.name, () => sweepOver(sweep, { seeds: 1 }))
})
