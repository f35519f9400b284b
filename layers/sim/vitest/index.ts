/**
 * The simulation as a layer for tests that run in vitest, of `@effect/vitest` or not: seeded by the name of the test,
 * and a failure prints the one command that replays it.
 *
 * ```ts
 * it.effect("the greeting survives a lossy link", () => program.pipe(Effect.provide(SimVitest.layer())))
 * ```
 */
import { relative } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { expect } from "vitest"
import { shellQuoted } from "../replay.ts"
import type { SimServices } from "../Simulation.ts"
import type { UdpPort } from "../../../src/capability/UdpPort.ts"
import type { LinkConditions } from "../linkConditions.ts"
import type { FaultSchedule } from "../FaultSchedule.ts"
import * as SimLayer from "../SimLayer.ts"
import * as anywhere from "../underFaults.ts"
import type { UnderFaultsOptions } from "../underFaults.ts"

/** How vitest is started, up to the file. */
const runner = "npx vitest run"

/** The command that runs the present test, and no other, once more. */
export const commandOf = (variables: string, command: string = runner): string => {
  const { testPath, currentTestName } = expect.getState()
  const file = testPath === undefined ? [] : [shellQuoted(relative(process.cwd(), testPath))]
  // -t takes a pattern; older releases of vitest join the names of suites with a space there
  const name = currentTestName?.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(" > ", " (> )?")
  const filter = name === undefined ? [] : ["-t", shellQuoted(name)]
  return [variables, command, ...file, ...filter].join(" ")
}

export interface LayerOptions extends Omit<SimLayer.LayerOptions, "describeReplay"> {
  /** How vitest is started, up to the file. Default `npx vitest run`. */
  readonly command?: string
}

const forThisTest = <Options extends LayerOptions>({ command, ...options }: Options) => ({
  seed: expect.getState().currentTestName ?? 0,
  describeReplay: (variables: string) => `To replay the failure: ${commandOf(variables, command)}`,
  ...options
})

/** A simulation for one test. */
export const layer = (options: LayerOptions = {}): Layer.Layer<SimServices | Scope.Scope> =>
  Layer.unwrap(Effect.sync(() => SimLayer.layer(forThisTest(options))))

/**
 * A simulation of one machine, for a test of a program that talks to itself over `127.0.0.1`: what it provides takes the
 * place of the live UDP, and its datagrams go through a network that is as bad as `link` says.
 *
 * ```ts
 * const simulated = Layer.mergeAll(SimVitest.layerLocalhost({ delayMillis: 20, lossRate: 0.05 }), NodeCryptoSuite.layer)
 * it.effect("greets over a lossy link", () => program.pipe(Effect.provide(simulated)))
 * ```
 */
export const layerLocalhost = (
  link: Partial<LinkConditions> = {},
  options: LayerOptions = {}
): Layer.Layer<SimServices | UdpPort | Scope.Scope> => SimLayer.localhostOn(layer(options), link)

/**
 * A test under a schedule of faults, which `program` applies to its network. When it fails, the schedule is made as
 * small as it can be, and printed with the command that replays just that.
 *
 * ```ts
 * it.effect("survives a partition", () => SimVitest.underFaults(schedule, program))
 * ```
 */
export const underFaults = <A, E>(
  schedule: FaultSchedule,
  program: (schedule: FaultSchedule) => Effect.Effect<A, E, SimServices | Scope.Scope>,
  options: LayerOptions & Pick<UnderFaultsOptions, "maxShrinkRuns"> = {}
): Effect.Effect<A, E> => Effect.suspend(() => anywhere.underFaults(schedule, program, forThisTest(options)))
