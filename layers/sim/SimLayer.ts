/**
 * The simulation as a layer: an Effect it is provided to runs in virtual time, on any runtime.
 *
 * The Effect gets a `Scope`, which is closed in virtual time before the simulation ends. A failure is reported with the
 * command line that replays it.
 *
 * **Example** (An hour in virtual time)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { SimLayer } from "effect-quic/layers/sim"
 *
 * const program = Effect.sleep("1 hour").pipe(Effect.provide(SimLayer.layer({ seed: 7 })))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { LinkConditions } from "./linkConditions.ts"
import type { HostServices } from "./SimHost.ts"
import * as RealWork from "./RealWork.ts"
import { replayed, replayVariables } from "./replay.ts"
import { defaults, type SimOptions, type SimServices, Simulation, type SimStalled } from "./Simulation.ts"
import { SimNetwork } from "./SimNetwork.ts"

/**
 * Options of the simulation, and its seed.
 *
 * @category options
 * @since 0.1.0
 */
export interface LayerOptions extends SimOptions {
  /** Seed of all randomness. Default 0; the environment variable `EFFECT_QUIC_SEED` overrides it. */
  readonly seed?: string | number
  /** What to print on failure. Default: the environment variables that replay the run. */
  readonly describeReplay?: (variables: string) => string
}

const describeByDefault = (variables: string): string =>
  `To replay this simulation, run the same command with ${variables} before it.`

/** Drives the simulation of a layer in the background, from the start to the end of the program. */
class Driver {
  private readonly simulation: Simulation
  private isOver = false
  private stalled: SimStalled | undefined = undefined
  private readonly ended: Promise<void>

  constructor(simulation: Simulation) {
    this.simulation = simulation
    this.ended = this.drive()
  }

  private async drive(): Promise<void> {
    const { options, queue } = this.simulation
    const isOver = (): boolean => this.isOver
    RealWork.watch()
    try {
      // other layers may be built before the first fiber is scheduled here, and take real time
      while (queue.first === undefined && !this.isOver) await RealWork.turn()
      this.stalled = await this.simulation.drive(isOver, options.maxVirtualMillis * 1e6)
      if (this.stalled === undefined) return
      queue.first?.interruptUnsafe()
      await this.simulation.cleanUp(isOver)
    } finally {
      RealWork.unwatch()
    }
  }

  /** Ends the simulation; returns why it stalled, if it did. */
  async stop(): Promise<SimStalled | undefined> {
    this.isOver = true
    await this.ended
    return this.stalled
  }
}

/**
 * A simulation with the lifetime of the layer: virtual time, seeded randomness and scheduling, and a `SimNetwork`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: LayerOptions = {}): Layer.Layer<SimServices | Scope.Scope> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { seed = 0, describeReplay = describeByDefault, ...rest } = options
      const settings = replayed(seed, { ...defaults, ...rest })
      const simulation = new Simulation(settings.seed, settings.options)
      const driver = new Driver(simulation)
      const own = Scope.makeUnsafe()
      yield* Effect.addFinalizer((exit) =>
        Effect.gen(function* () {
          const closed = yield* Effect.exit(Effect.provideContext(Scope.close(own, exit), simulation.context))
          const stalled = yield* Effect.promise(() => driver.stop())
          if (Exit.isFailure(exit) || Exit.isFailure(closed) || stalled !== undefined)
            console.error(describeReplay(replayVariables(settings.seed, settings.options)))
          if (stalled !== undefined) return yield* Effect.die(stalled)
          return yield* closed
        })
      )
      return Context.add(simulation.context, Scope.Scope, own)
    })
  )

/**
 * A simulation of one host whose datagrams to `127.0.0.1` pass through a link with the given conditions. Replaces the
 * live layer for a program that talks to itself over the loopback address.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLocalhost = (
  link: Partial<LinkConditions> = {},
  options: LayerOptions = {}
): Layer.Layer<SimServices | HostServices | Scope.Scope> => localhostOn(layer(options), link)

/**
 * `layerLocalhost` in an existing simulation.
 *
 * @category layers
 * @since 0.1.0
 */
export const localhostOn = (
  simulation: Layer.Layer<SimServices | Scope.Scope>,
  link: Partial<LinkConditions>
): Layer.Layer<SimServices | HostServices | Scope.Scope> => {
  const machine = Layer.unwrap(
    Effect.map(SimNetwork, (network) => {
      const host = network.host("localhost", "127.0.0.1")
      network.loopback(host, { name: "loopback", ...link })
      return host.layer
    })
  )
  return Layer.provideMerge(machine, simulation)
}
