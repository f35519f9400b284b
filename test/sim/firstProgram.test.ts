/** README's first program runs unchanged in the simulator; hosts there are found by their names. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AddressResolver } from "effect/net/AddressResolver"
import { afterAll, describe, expect, it } from "vitest"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import { SimNetwork } from "../../layers/sim/index.ts"
import * as SimLayer from "../../layers/sim/SimLayer.ts"
import { itSim } from "./itSim.ts"

const root = new URL("../../", import.meta.url).pathname
const copy = `${root}.cache/first-${process.pid}.ts`

afterAll(() => rmSync(copy, { force: true }))

it("README's first program prints its greeting over a lossy simulated link", async () => {
  const source = readFileSync(`${root}examples/first.ts`, "utf8")
  mkdirSync(`${root}.cache`, { recursive: true })
  writeFileSync(copy, source.replace(/^NodeRuntime\.runMain.*$/m, "export { program }"))
  const { program } = (await import(copy)) as { readonly program: Effect.Effect<string, unknown, never> }
  const simulated = SimLayer.layerLocalhost({ delayMillis: 20, lossRate: 0.05 }, { seed: "first" })
  const provided = Effect.provide(Effect.provide(program, simulated), NodeCryptoSuite.layer)
  expect(await Effect.runPromise(provided)).toBe("hello, QUIC")
})

describe("names", () => {
  itSim("of hosts and localhost are resolved to where they are now; others are not", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const a = network.host("a", "10.0.0.1")
      network.host("b.example", "10.0.0.2", "fd00::2")
      const resolve = (name: string) =>
        Effect.flatMap(AddressResolver, ({ resolve }) => resolve(`${name}:443`)).pipe(
          Effect.map((all) => all.map(({ address }) => `${address}`)),
          Effect.option,
          Effect.map(Option.getOrUndefined),
          Effect.provide(a.layer)
        )
      expect(yield* resolve("b.example")).toEqual(["10.0.0.2", "fd00::2"])
      expect(yield* resolve("localhost")).toEqual(["10.0.0.1"])
      a.changeAddress("10.0.0.1", "10.0.0.9")
      expect(yield* resolve("a")).toEqual(["10.0.0.9"])
      expect(yield* resolve("c.example")).toBe(undefined)
    })
  )
})
