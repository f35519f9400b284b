import { describe, it } from "vitest"
import { connectionSweeps } from "./connections.ts"
import { sweepOver } from "./sweep.ts"

describe("an interrupt at any step leaves nothing behind", () => {
  for (const sweep of connectionSweeps) it(sweep.name, () => sweepOver(sweep, { seeds: 1 }))
})
