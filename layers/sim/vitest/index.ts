/**
 * The simulation as a layer for vitest, with or without `@effect/vitest`: seeded by the test name. On failure, prints
 * the command that replays it.
 *
 * **Example** (A test in virtual time)
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { Effect } from "effect"
 * import * as SimVitest from "effect-quic/layers/sim/vitest"
 *
 * it.effect("an hour takes no time", () => Effect.sleep("1 hour").pipe(Effect.provide(SimVitest.layer())))
 * ```
 *
 * @since 0.1.0
 */
import { relative } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { expect } from "vitest"
import { shellQuoted } from "../replay.ts"
import type { SimServices } from "../Simulation.ts"
import type { CryptoSuite } from "../../../src/capability/CryptoSuite.ts"
import * as NodeCryptoSuite from "../../node/NodeCryptoSuite.ts"
import type { HostServices } from "../SimHost.ts"
import type { LinkConditions } from "../linkConditions.ts"
import type { FaultSchedule } from "../FaultSchedule.ts"
import * as SimLayer from "../SimLayer.ts"
import * as anywhere from "../underFaults.ts"
import type { UnderFaultsOptions } from "../underFaults.ts"

/** The command that starts vitest, up to the file. */
const runner = "npx vitest run"

/**
 * The command that reruns only the current test.
 *
 * @category testing
 * @since 0.1.0
 */
export const commandOf = (variables: string, command: string = runner): string => {
  const { testPath, currentTestName } = expect.getState()
  const file = testPath === undefined ? [] : [shellQuoted(relative(process.cwd(), testPath))]
  // -t takes a pattern; older vitest releases join suite names with a space
  const name = currentTestName?.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(" > ", " (> )?")
  const filter = name === undefined ? [] : ["-t", shellQuoted(name)]
  return [variables, command, ...file, ...filter].join(" ")
}

/**
 * Options of the simulation, and how the test is started.
 *
 * @category options
 * @since 0.1.0
 */
export interface LayerOptions extends Omit<SimLayer.LayerOptions, "describeReplay"> {
  /** The command that starts vitest, up to the file. Default `npx vitest run`. */
  readonly command?: string
}

const forThisTest = <Options extends LayerOptions>({ command, ...options }: Options) => ({
  seed: expect.getState().currentTestName ?? 0,
  describeReplay: (variables: string) => `To replay the failure: ${commandOf(variables, command)}`,
  ...options
})

/**
 * A simulation for one test.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: LayerOptions = {}): Layer.Layer<SimServices | Scope.Scope> =>
  Layer.unwrap(Effect.sync(() => SimLayer.layer(forThisTest(options))))

/**
 * A simulation of one host, for testing a program that talks to itself over `127.0.0.1`. Replaces the live layers but
 * for trust: UDP, names, entropy, cryptography; datagrams pass through a link with the given conditions.
 *
 * **Example** (A lossy loopback)
 *
 * ```ts
 * import * as SimVitest from "effect-quic/layers/sim/vitest"
 *
 * const simulated = () => SimVitest.layerLocalhost({ delayMillis: 20, lossRate: 0.05 })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLocalhost = (
  link: Partial<LinkConditions> = {},
  options: LayerOptions = {}
): Layer.Layer<SimServices | HostServices | CryptoSuite | Scope.Scope> =>
  Layer.merge(SimLayer.localhostOn(layer(options), link), NodeCryptoSuite.layer)

/**
 * A test under a fault schedule, which `program` applies to its network. On failure, the schedule is shrunk and printed
 * with the command that replays it.
 *
 * **Example** (A partition)
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { Effect } from "effect"
 * import { type FaultSchedule, SimNetwork } from "effect-quic/layers/sim"
 * import * as SimVitest from "effect-quic/layers/sim/vitest"
 *
 * const partition: FaultSchedule = [
 *   { atMillis: 100, fault: { kind: "partition", groups: [["a"], ["b"]], forMillis: 2_000 } }
 * ]
 *
 * const program = (schedule: FaultSchedule) =>
 *   Effect.gen(function* () {
 *     const network = yield* SimNetwork
 *     network.connect(network.host("a", "10.0.0.1"), network.host("b", "10.0.0.2"))
 *     network.apply(schedule)
 *     // … what must hold in spite of the partition
 *   })
 *
 * it.effect("survives a partition", () => SimVitest.underFaults(partition, program))
 * ```
 *
 * @category testing
 * @since 0.1.0
 */
export const underFaults = <A, E>(
  schedule: FaultSchedule,
  program: (schedule: FaultSchedule) => Effect.Effect<A, E, SimServices | Scope.Scope>,
  options: LayerOptions & Pick<UnderFaultsOptions, "maxShrinkRuns"> = {}
): Effect.Effect<A, E> => Effect.suspend(() => anywhere.underFaults(schedule, program, forThisTest(options)))
