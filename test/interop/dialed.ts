/** An endpoint of iroh's and one of ours, which dial each other by key through our relay, and exchange 10 MB. */
import * as Effect from "effect/Effect"
import type { Row } from "./matrix.ts"
import { type Reported, reportedBy } from "./reported.ts"

interface Happened extends Reported {
  readonly note?: string
}

export const dialedPeer = "iroh-dialed"

const cases = [
  { event: "weDial", role: "client" },
  { event: "irohDials", role: "server" }
] as const

export const dialsStrangers = Effect.map(
  reportedBy<Happened>("dialed", "120 seconds"),
  ({ failure, happened }) =>
    cases.map(({ event, role }): Row => {
      const found = happened.find((one) => one.event === event)
      const row = { peer: dialedPeer, role, case: "dialed" } as const
      return found === undefined
        ? { ...row, result: "fail", reason: failure }
        : { ...row, result: "pass", reason: `10 MB there and back, at the end ${found.note}` }
    })
)
