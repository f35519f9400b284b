/**
 * Runs a scenario in the simulator, in two phases. With faults: no violation may occur. Then the network is healed, and
 * everything must finish and release its resources.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { SimNetwork, SimRuntime } from "../../layers/sim/index.ts"
import type { EndpointNode } from "../../src/FiberTree.ts"
import { Identity, type QuicEndpointShape } from "../../src/index.ts"
import { Invariants } from "./invariants.ts"
import { Ledger } from "./Ledger.ts"
import type { Scenario, Task, Visit } from "./Scenario.ts"
import { runVisits, serveConnection } from "./visits.ts"
import { buildNetwork, makeClient, makeServer } from "./world.ts"
import { LiveCryptoSuite } from "../io.ts"

export interface Verdict {
  /** Empty when the run passed. */
  readonly problems: ReadonlyArray<string>
  readonly digest: string
  readonly virtualMillis: number
  readonly steps: number
  /** Visits whose failure the faults explain. */
  readonly excused: number
  /** Visits repeated because the server crashed. */
  readonly repeats: number
}

/** Time limits: from healing to the end of all tasks, and from there to the end of all connections. */
const liveMillis = 900_000
const drainMillis = 200_000
/** Checks the invariants every this many instants. */
const everyInstants = 16

export const runScenario = async (scenario: Scenario): Promise<Verdict> => {
  const ledger = new Ledger(scenario)
  const invariants = new Invariants()
  let instants = 0
  const { exit, digest, virtualMillis, steps, leftovers } = await SimRuntime.run(
    scenario.seed,
    Effect.scoped(program(scenario, ledger, invariants)),
    {
      interleaving: scenario.interleaving,
      maxVirtualMillis: scenario.healAtMillis + liveMillis + drainMillis + 60_000,
      invariant: (nowMillis) => {
        invariants.note(nowMillis)
        return ++instants % everyInstants === 0 ? invariants.check() : undefined
      }
    }
  )
  const problems = [...ledger.problems]
  if (Exit.isFailure(exit)) problems.push(Cause.pretty(exit.cause))
  else {
    problems.push(...unfinished(scenario, ledger))
    if (leftovers.tasks + leftovers.events > 0)
      problems.push(`${leftovers.tasks} tasks and ${leftovers.events} events are left at the end`)
  }
  return { problems, digest, virtualMillis, steps, excused: ledger.excused.size, repeats: ledger.repeats }
}

/** Each task must have completed on the side that began it and on the side that served it. */
const unfinished = (scenario: Scenario, ledger: Ledger): Array<string> => {
  const problems: Array<string> = []
  for (const { visits } of scenario.clients)
    for (const visit of visits) {
      if (ledger.excused.has(visit) || ledger.abandoned.has(visit)) continue
      for (const task of [...visit.near, ...visit.far]) {
        const completed = ledger.done.get(`initiator ${task.tag}`) ?? 0
        const served = ledger.done.get(`server ${task.tag}`) ?? 0
        // a task repeated after a crash may have been completed before, in part or in whole
        const isRight = (times: number, expected: number): boolean =>
          ledger.repeats > 0 ? times >= expected : times === expected
        if (!isRight(completed, 1))
          problems.push(`task ${task.tag} (${task.kind}) completed ${completed} times`)
        if (
          task.cancelAfterMillis === undefined &&
          !isRight(served, expectedServed(scenario, visit, task, served))
        )
          problems.push(`task ${task.tag} (${task.kind}) was served ${served} times`)
      }
    }
  return problems
}

const expectedServed = ({ faults }: Scenario, visit: Visit, task: Task, served: number): number => {
  switch (task.kind) {
    case "calls":
      return task.count
    case "echo":
    case "upload":
    case "download":
    case "resetDownload":
    case "stopUpload":
      return 1
    // the reset may overtake the request, unless the closing side promised to deliver part of the stream and the peer
    // is still there
    case "resetUpload":
      if (faults.some(({ fault }) => fault.kind === "crash")) return served
      return task.deliver > 0 && visit.closeCode === undefined && visit.near.includes(task) ? 1 : served
    default:
      return served
  }
}

const program = (
  scenario: Scenario,
  ledger: Ledger,
  invariants: Invariants
): Effect.Effect<void, unknown, SimRuntime.SimServices | Scope.Scope> =>
  Effect.gen(function* () {
    const network = yield* SimNetwork
    const hosts = buildNetwork(network, scenario)
    const identity = yield* Effect.provide(
      Identity.generateRawKey,
      Layer.merge(hosts.server.layer, LiveCryptoSuite.layer)
    )
    yield* Effect.scoped(
      Effect.gen(function* () {
        const serverMade = yield* Deferred.make<void>()
        let server: QuicEndpointShape | undefined
        const serving = Effect.gen(function* () {
          server = yield* makeServer(hosts.server, scenario, identity)
          yield* Deferred.succeed(serverMade, undefined)
          yield* server.serve((connection) => serveConnection(ledger, invariants, connection))
        })
        yield* Effect.forkScoped(hosts.server.run(serving))
        yield* Deferred.await(serverMade)
        const clients = yield* Effect.forEach(hosts.clients, (host) => makeClient(host, identity))
        const faults = network.apply(scenario.faults)
        yield* Effect.forkScoped(
          Effect.andThen(
            Effect.sleep(scenario.healAtMillis),
            Effect.sync(() => faults.heal())
          )
        )
        const all = Effect.forEach(
          scenario.clients,
          (plan, index) => runVisits({ scenario, ledger, invariants, client: clients[index], index, plan }),
          { concurrency: "unbounded", discard: true }
        )
        yield* within(ledger, "the tasks", scenario.healAtMillis + liveMillis, all)
        faults.heal()
        for (const endpoint of [server!, ...clients]) {
          yield* within(ledger, "the last connections", drainMillis, emptied(endpoint))
          // a crashed server that has not restarted holds nothing
          const node = yield* endpoint.tree
          if (node.state === "open") for (const leak of leaksOf(node)) ledger.violate(leak)
        }
      })
    )
    // lets packets in flight arrive
    yield* Effect.sleep("30 seconds")
  })

/** Resources an endpoint still holds although it has no connections left. */
const leaksOf = (node: EndpointNode): Array<string> => {
  const { routedIds, resetTokens, backlog, strangers, sockets, fibers, peers, connections } = node
  // it keeps its current socket and the fiber of its loop
  const held = { routedIds, resetTokens, backlog, strangers, sockets: sockets - 1, fibers: fibers - 1 }
  const left = { ...held, peers: peers.length, connections: connections.length }
  return Object.entries(left).flatMap(([what, count]) =>
    count === 0 ? [] : [`an endpoint without connections holds ${count} ${what} too many`]
  )
}

/** Liveness: whatever takes longer is considered stuck. */
const within = <E, R>(ledger: Ledger, what: string, millis: number, effect: Effect.Effect<void, E, R>) =>
  Effect.flatMap(Effect.timeoutOption(effect, millis), (outcome) =>
    Effect.sync(() => {
      if (outcome._tag === "None") ledger.violate(`${what} did not end within ${millis / 1000} s`)
    })
  )

const emptied = (endpoint: QuicEndpointShape): Effect.Effect<void> =>
  Effect.asVoid(
    // includes closed connections whose handlers are still running
    endpoint.tree.pipe(
      Effect.repeat({
        until: ({ connections }) => connections.length === 0,
        schedule: Schedule.spaced("1 second")
      })
    )
  )
