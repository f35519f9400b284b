/** Adds multipath to a third of all scenarios: more addresses, options, and tasks that open, change and abandon paths. */
import type { Fault, LinkConditions, ScheduledFault } from "../../layers/sim/index.ts"
import { Draw } from "./ScenarioRandom.ts"
import { addresses, type ClientPlan, names, type Scenario, type Task, type Visit } from "./Scenario.ts"

/** Above the tags of the tasks that are drawn with the scenario. */
const FIRST_TAG = 100_000

export const drawPaths = (
  scenario: Scenario,
  drawLink: (random: Draw) => Partial<LinkConditions>
): Scenario => {
  // randomness of its own: scenarios without multipath are what they were before there was any
  const random = new Draw(`paths ${scenario.seed}`, FIRST_TAG)
  if (!random.chance(1 / 3)) return scenario
  const drawMost = () => random.between(2, 4)
  // now and then one side does not want any
  const isRefused = random.chance(0.1)
  const clients = scenario.clients.map((plan, index): ClientPlan => {
    const transport = { ...plan.transport, maxPaths: drawMost() }
    const hasSecond = random.chance(0.8)
    const second = hasSecond ? { second: drawLink(random) } : {}
    const hosts = [addresses.client(index), undefined, ...(hasSecond ? [addresses.second(index)] : [])]
    const visits = plan.visits.map((visit) => withPaths(random, visit, hosts))
    return { ...plan, ...second, transport, visits }
  })
  const server = {
    ...scenario.server,
    transport: { ...scenario.server.transport, ...(!isRefused && { maxPaths: drawMost() }) }
  }
  const faults = [...scenario.faults, ...drawFaults(random, clients)].sort((a, b) => a.atMillis - b.atMillis)
  return { ...scenario, clients, server, faults }
}

type Hosts = ReadonlyArray<string | undefined>

const withPaths = (random: Draw, visit: Visit, hosts: Hosts): Visit => ({
  ...visit,
  near: [
    ...visit.near,
    ...random.times(random.between(1, 5), () =>
      drawOpening(random, random.chance(0.6) ? hosts.at(-1) : random.of(hosts))
    ),
    ...random.times(random.below(5), () => drawChange(random))
  ],
  far: [...visit.far, ...random.times(random.below(4), () => drawChange(random))]
})

const drawOpening = (random: Draw, host: string | undefined): Task => ({
  kind: "openPath",
  tag: random.nextTag(),
  atMillis: random.chance(0.3) ? 0 : random.size(1, 10_000),
  ...(random.chance(0.25) && { cancelAfterMillis: random.size(1, 2_000) }),
  ...(host !== undefined && { host }),
  status: random.of(["available", "available", "backup"]),
  ...(random.chance(0.4) && { abandonAfterMillis: random.size(1, 5_000) })
})

const drawChange = (random: Draw): Task => ({
  kind: random.of(["abandonPath", "pathBackup", "pathAvailable"]),
  tag: random.nextTag(),
  // few instants: both sides often do so at once
  atMillis: random.of([20, 100, 500, 1_000, 2_000, 5_000]),
  index: random.below(3)
})

const drawFaults = (random: Draw, clients: ReadonlyArray<ClientPlan>): ReadonlyArray<ScheduledFault> => {
  const links = clients.flatMap(({ second }, index) => (second === undefined ? [] : [names.second(index)]))
  if (links.length === 0) return []
  const drawFault = (): Fault => {
    const link = random.of(links)
    const forMillis = random.size(10, 5_000)
    const direction = random.chance(0.6) ? {} : { direction: random.of(["forward", "backward"] as const) }
    if (random.chance(0.5)) return { kind: "linkDown", link, forMillis, ...direction }
    const conditions = random.of([{ lossRate: 0.5 }, { delayMillis: 800, jitterMillis: 100 }, { mtu: 1_260 }])
    return { kind: "conditions", link, conditions, forMillis, ...direction }
  }
  return random.times(random.below(4), () => ({ atMillis: random.size(1, 7_000), fault: drawFault() }))
}
