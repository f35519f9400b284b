/** Failing tests, whose output another test checks. */
import { describe, it } from "@effect/vitest"
import { Deferred, Effect, Random } from "effect"
import { type FaultSchedule, SimNetwork } from "../../../layers/sim/index.ts"
import * as SimVitest from "../../../layers/sim/vitest/index.ts"

/** The failure takes two of these. */
const schedule: FaultSchedule = [
  {
    atMillis: 70,
    fault: { kind: "conditions", link: "cable", conditions: { delayMillis: 40, lossRate: 0.1 } }
  },
  { atMillis: 1_234, fault: { kind: "linkDown", link: "cable", forMillis: 8_000 } },
  { atMillis: 2_000, fault: { kind: "clockJump", host: "far", byMillis: 3_600_000 } },
  { atMillis: 2_500, fault: { kind: "partition", groups: [["near"], ["far"]], forMillis: 100 } },
  { atMillis: 9_000, fault: { kind: "linkDown", link: "cable", forMillis: 9_999 } },
  {
    atMillis: 14_000,
    fault: { kind: "conditions", link: "cable", conditions: { mtu: 1_300 }, forMillis: 10 }
  }
]

/** Sends for twenty seconds; fails when its link is down for more than eleven of them. */
const greet = Effect.fnUntraced(function* (faults: FaultSchedule) {
  const network = yield* SimNetwork
  const cable = network.connect(network.host("near", "10.0.0.1"), network.host("far", "10.0.0.2"), {
    name: "cable"
  })
  network.apply(faults)
  let down = 0
  for (let i = 0; i < 20; i++) {
    yield* Effect.sleep("1 second")
    if (!cable.forward.conditions.up) down++
  }
  if (down > 11) return yield* Effect.fail(new Error(`down for ${down} seconds`))
})

const command = "npx vitest run --config test/sim/replay/vitest.config.ts"

describe("a test that's unlucky", () => {
  it.effect("fails (with its number: $4)", () =>
    Effect.gen(function* () {
      yield* Effect.sleep("1 hour")
      return yield* Effect.die(new Error(`unlucky number ${yield* Random.nextInt}`))
    }).pipe(Effect.provide(SimVitest.layer({ command, interleaving: "seeded" })))
  )

  it.effect("waits for ever", () =>
    Effect.gen(function* () {
      yield* Deferred.await(yield* Deferred.make<void>())
    }).pipe(Effect.provide(SimVitest.layer({ command })))
  )

  it.effect("does not survive", () =>
    SimVitest.underFaults(schedule, greet, { command, maxVirtualMillis: 600_000 })
  )
})
