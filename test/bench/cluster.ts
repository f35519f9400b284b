/**
 * A cluster of two runners, over QUIC and over Effect's TCP sockets, each with its defaults: how long until the cluster
 * knows that one is gone, and until all its entities answer again. One runner is killed, or frozen, as a machine is that
 * says nothing any more. Its locks are dropped at once in both cases: what is compared is how it is noticed.
 *
 * The runner that is left is the one that makes Effect's health checks; were it the other, TCP would notice much later.
 */
import { type ChildProcess, fork } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import { SharedStorage } from "../cluster/sharedStorage.ts"
import type { Metric } from "./benchmarks.ts"
import type { ClusterMessage, ClusterQuestion, ClusterSystem } from "./clusterSides.ts"
import { certificate } from "./identity.ts"
import { printTable, type Row } from "./report.ts"

const systems: ReadonlyArray<ClusterSystem> = ["effect-quic", "NodeClusterSocket, TCP"]
const ENTITIES = 1000
const SHARDS = 300
const FIRST_PORT = 34_511

interface Outcome {
  readonly detected: number
  readonly recovered: number
}

/** Processes that share a storage. */
class Cluster {
  readonly storage = new SharedStorage(35_000)
  private readonly system: ClusterSystem
  private readonly children: Array<ChildProcess> = []

  constructor(system: ClusterSystem) {
    this.system = system
  }

  /** A process, once it is ready, and the shard of the health checks. */
  async start(...args: ReadonlyArray<string>): Promise<readonly [ChildProcess, string]> {
    const { certPem, keyPem } = await certificate()
    const child = fork(new URL("clusterSides.ts", import.meta.url), [this.system, ...args], {
      env: { ...process.env, BENCH_CERT: certPem, BENCH_KEY: keyPem },
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
    this.children.push(child)
    child.on("message", (message: ClusterMessage) => {
      if (message.kind === "storage") void this.answer(child, message)
    })
    const { healthShard } = await next(child, "ready")
    return [child, healthShard]
  }

  private async answer(
    child: ChildProcess,
    { args, id, method }: Extract<ClusterMessage, { kind: "storage" }>
  ): Promise<void> {
    const operation = this.storage.encoded[method] as
      | Effect.Effect<unknown>
      | ((...args: ReadonlyArray<unknown>) => Effect.Effect<unknown>)
    const value = await Effect.runPromise(typeof operation === "function" ? operation(...args) : operation)
    if (child.connected) child.send({ kind: "stored", id, value } satisfies ClusterQuestion)
  }

  stop(): void {
    for (const child of this.children) child.kill("SIGKILL")
  }
}

const next = <K extends ClusterMessage["kind"]>(
  child: ChildProcess,
  kind: K
): Promise<Extract<ClusterMessage, { kind: K }>> =>
  new Promise((resolve, reject) => {
    const listen = (message: ClusterMessage): void => {
      if (message.kind !== kind) return
      child.off("message", listen)
      resolve(message as Extract<ClusterMessage, { kind: K }>)
    }
    child.on("message", listen)
    child.once("exit", () => reject(new Error("a process of the cluster died")))
  })

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(5)
}

/** `afterMillis` the cluster has started. */
const lose = async (system: ClusterSystem, signal: NodeJS.Signals, afterMillis: number): Promise<Outcome> => {
  const cluster = new Cluster(system)
  try {
    const { storage } = cluster
    const runners = new Map<string, ChildProcess>()
    for (const port of [FIRST_PORT, FIRST_PORT + 1])
      runners.set(`127.0.0.1:${port}`, (await cluster.start("runner", String(port)))[0])
    const [client, healthShard] = await cluster.start("client")
    const holders = (): Set<string> => new Set([...storage.locks.values()].map(({ holder }) => holder))
    await until(() => storage.locks.size === SHARDS && holders().size === 2)
    await sleep(afterMillis)
    const ask = async (): Promise<ReadonlyArray<string>> => {
      client.send({ kind: "ask", entities: ENTITIES } satisfies ClusterQuestion)
      return (await next(client, "hosts")).hosts
    }
    await ask()
    const checker = storage.locks.get(healthShard)!.holder
    const [lost, victim] = [...runners].find(([key]) => key !== checker)!
    const start = performance.now()
    victim.kill(signal)
    storage.drop(lost)
    const answered = ask()
    await until(() => storage.runners.get(lost)?.healthy !== true)
    const detected = performance.now() - start
    const hosts = await answered
    const recovered = performance.now() - start
    if (hosts.length !== 1 || hosts[0] !== checker) throw new Error(`entities are at ${hosts}`)
    return { detected, recovered }
  } finally {
    cluster.stop()
  }
}

const seconds = (from: keyof Outcome, short: string): Metric => ({
  from,
  metric: `${short}, mean`,
  short,
  unit: "s",
  scale: 1e-3,
  more: false
})

const metrics = [seconds("detected", "noticed"), seconds("recovered", "all answer")]

/** Spread over the minute between two of Effect's health checks. */
const moments = (isQuick: boolean): ReadonlyArray<number> => (isQuick ? [30_000] : [10_000, 30_000, 50_000])

const mean = (outcomes: ReadonlyArray<Outcome>, of: keyof Outcome): number =>
  outcomes.reduce((sum, each) => sum + each[of], 0) / outcomes.length

export const clusterRows = async (title: string, isQuick: boolean): Promise<Array<Row>> => {
  const rows: Array<Row> = []
  for (const [signal, what] of [
    ["SIGKILL", "killed"],
    ["SIGSTOP", "frozen"]
  ] as const) {
    const results = new Map<string, ReadonlyArray<{ values: Record<string, number> }>>()
    for (const system of systems) {
      const outcomes: Array<Outcome> = []
      for (const moment of moments(isQuick)) outcomes.push(await lose(system, signal, moment))
      const values = { detected: mean(outcomes, "detected"), recovered: mean(outcomes, "recovered") }
      results.set(system, [{ values }])
    }
    const conditions = `one of two runners of ${ENTITIES} entities is ${what}`
    rows.push(
      ...printTable(`${title}: ${conditions}`, conditions, metrics, "NodeClusterSocket, TCP", results)
    )
  }
  return rows
}
