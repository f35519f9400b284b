/** Two of iroh's endpoints through our relay: they connect by their keys, go direct, and survive its restart. */
import * as Effect from "effect/Effect"
import type { Row } from "./matrix.ts"
import { type Reported, reportedBy } from "./reported.ts"

interface Happened extends Reported {
  readonly millis?: number
  readonly forwardedBytes?: number
}

const steps: ReadonlyArray<{
  readonly case: string
  readonly event: string
  readonly note: (happened: Happened) => string
}> = [
  {
    case: "relayed",
    event: "direct",
    note: ({ millis, forwardedBytes }) =>
      `1 MB there and back, ${forwardedBytes} bytes by the relay, direct after ${millis} ms at most`
  },
  { case: "restart", event: "back", note: () => "both came back, and a third sent one of them 1 MB" }
]

export const relayPeer = "iroh-relay"

/** The slowest step, the reconnection of iroh's clients, takes a few seconds. */
export const relaysStrangers = Effect.map(
  reportedBy<Happened>("throughRelay", "60 seconds"),
  ({ failure, happened }) =>
    steps.map(({ case: name, event, note }): Row => {
      const found = happened.find((one) => one.event === event)
      const row = { peer: relayPeer, role: "server", case: name } as const
      return found === undefined
        ? { ...row, result: "fail", reason: failure }
        : { ...row, result: "pass", reason: note(found) }
    })
)
