import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { itSim } from "../sim/itSim.ts"
import { answering, classify, kindOf } from "./classify.ts"
import { kinds } from "./matrix.ts"
import { natWorld, publicAddresses } from "./simulated.ts"

describe("by plain UDP", () => {
  for (const kind of kinds)
    itSim(
      `a simulated ${kind} is found to be one`,
      () =>
        Effect.gen(function* () {
          const world = yield* natWorld({ client: kind, server: "none" })
          const [first, second] = publicAddresses
          const endpoints = yield* Effect.provide(answering([first, second]), world.public.layer)
          const { host } = world.client
          const found = yield* Effect.provide(classify(host.addresses, endpoints), host.layer)
          expect(kindOf(found)).toBe(kind)
        }),
      { seeds: 3 }
    )
})
