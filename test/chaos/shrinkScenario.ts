/** Shrinks a failing scenario: fewer faults, clients, visits and tasks, then a kinder network and simpler options. */
import { fewer, RunBudget, simplerNumbers, simplest } from "../../layers/sim/shrink.ts"
import { simplerFault } from "../../layers/sim/shrinkSchedule.ts"
import type { ClientPlan, Scenario, Visit } from "./Scenario.ts"

export interface Shrunk {
  readonly scenario: Scenario
  readonly runs: number
}

/** `stillFails` tells whether a candidate fails in the same way as the original. */
export const shrinkScenario = async (
  failing: Scenario,
  stillFails: (scenario: Scenario) => Promise<boolean>,
  maxRuns = 300
): Promise<Shrunk> => {
  const budget = new RunBudget({ maxRuns })
  let best = failing
  /** Keeps a candidate if it still fails. */
  const keep = async (candidate: Scenario): Promise<boolean> => {
    if (!(await stillFails(candidate))) return false
    best = candidate
    return true
  }
  const change = (candidate: Scenario): Promise<boolean> => budget.try(() => keep(candidate))
  const withClient = (index: number, plan: Partial<ClientPlan>): Scenario => ({
    ...best,
    clients: best.clients.with(index, { ...best.clients[index], ...plan })
  })
  const withVisit = (client: number, index: number, visit: Partial<Visit>): Scenario => {
    const { visits } = best.clients[client]
    return withClient(client, { visits: visits.with(index, { ...visits[index], ...visit }) })
  }

  await fewer(best.faults, (faults) => keep({ ...best, faults }), budget)
  for (let client = 0; client < best.clients.length; client++) {
    const { visits } = best.clients[client]
    await fewer(visits, (fewerVisits) => keep(withClient(client, { visits: fewerVisits })), budget)
    for (let visit = 0; visit < best.clients[client].visits.length; visit++) {
      const { near, far } = best.clients[client].visits[visit]
      await fewer(near, (tasks) => keep(withVisit(client, visit, { near: tasks })), budget)
      await fewer(far, (tasks) => keep(withVisit(client, visit, { far: tasks })), budget)
    }
  }
  await change({ ...best, interleaving: "fifo" })
  await change({ ...best, server: { ...best.server, retry: "never" } })
  await dropFields(best.server.transport, (transport) =>
    change({ ...best, server: { ...best.server, transport } })
  )
  await dropFields(best.server.uplink, (uplink) => change({ ...best, server: { ...best.server, uplink } }))
  for (let client = 0; client < best.clients.length; client++) {
    await dropFields(best.clients[client].transport, (transport) => change(withClient(client, { transport })))
    await dropFields(best.clients[client].link, (link) => change(withClient(client, { link })))
  }
  await simplest(best.faults, simplerFault, (faults) => keep({ ...best, faults }), budget)
  for (let client = 0; client < best.clients.length; client++)
    for (let visit = 0; visit < best.clients[client].visits.length; visit++) {
      const { near, far } = best.clients[client].visits[visit]
      await simplest(near, simplerTask, (tasks) => keep(withVisit(client, visit, { near: tasks })), budget)
      await simplest(far, simplerTask, (tasks) => keep(withVisit(client, visit, { far: tasks })), budget)
    }
  return { scenario: best, runs: budget.runs }
}

/** Drops each field that the failure does not depend on. */
const dropFields = async <T extends object>(
  value: T,
  stillFails: (value: T) => Promise<boolean>
): Promise<void> => {
  let best = value
  for (const name of Object.keys(value)) {
    const { [name as keyof T]: _, ...rest } = best
    // every option field is optional
    if (await stillFails(rest as T)) best = rest as T
  }
}

type Task = Visit["near"][number]

const simplerTask = (task: Task): ReadonlyArray<Task> => {
  const candidates: Array<Task> = []
  if (task.cancelAfterMillis !== undefined) {
    const { cancelAfterMillis: _, ...whole } = task
    candidates.push(whole)
  }
  for (const atMillis of simplerNumbers(task.atMillis)) candidates.push({ ...task, atMillis })
  if (task.kind === "calls" || task.kind === "datagrams")
    for (const count of simplerNumbers(task.count, 1)) candidates.push({ ...task, count })
  if ("at" in task) {
    if (task.pauseMillis > 0) candidates.push({ ...task, pauseMillis: 0 })
    for (const bytes of simplerNumbers(task.bytes, 1)) {
      const at = Math.min(task.at, bytes)
      candidates.push({ ...task, bytes, at, deliver: Math.min(task.deliver, at) })
    }
  }
  return candidates
}
