/**
 * Effect RPC over QUIC, over Effect's TLS socket, and over HTTPS, with the same handlers and the same serialization, on
 * loopback and over a link with delay and loss. The TCP of the link is this machine's, with its congestion control.
 */
import { type ChildProcess, fork } from "node:child_process"
import type { Metric } from "./benchmarks.ts"
import { certificate } from "./identity.ts"
import { type Link, withLink } from "./link.ts"
import type { LinkConditions } from "./linkRelay.ts"
import { printFigures, printTable, type Row } from "./report.ts"
import type { Result } from "./system.ts"
import type { CallsAnswer, ItemsAnswer, RpcQuestion } from "./rpcSides.ts"
import { simulatedCalls } from "./rpcSimulated.ts"
import { type RpcSystem, rpcTransports } from "./rpcTransports.ts"
import { heard } from "./sides.ts"

/** A client that is connected to a server, each in a process. */
export interface RpcPair {
  ask<A extends object>(question: RpcQuestion): Promise<A>
  close(): void
}

/** How each side is started, and where the server is. */
export interface Launch {
  readonly host: string
  /** Before the program: what puts it into its network. */
  readonly server: ReadonlyArray<string>
  readonly client: ReadonlyArray<string>
}

export const loopback: Launch = { host: "127.0.0.1", server: [], client: [] }

export const rpcPair = async (system: RpcSystem, { host, ...launchers }: Launch): Promise<RpcPair> => {
  const { certPem, keyPem } = await certificate()
  const start = (launcher: ReadonlyArray<string>, ...args: ReadonlyArray<string>): ChildProcess => {
    const [execPath, ...execArgv] = [...launcher, process.execPath]
    return fork(new URL("rpcSides.ts", import.meta.url), [system, ...args], {
      execPath,
      execArgv,
      env: { ...process.env, BENCH_CERT: certPem, BENCH_KEY: keyPem },
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
  }
  const server = start(launchers.server, "server", host)
  const client = start(launchers.client, "client")
  const ask = <A extends object>(question: RpcQuestion): Promise<A> => {
    const answer = heard<A>(client)
    client.send(question)
    return answer
  }
  const close = (): void => {
    client.disconnect()
    server.disconnect()
  }
  try {
    const { port } = await heard<{ port: number }>(server)
    await ask({ kind: "connect", host, port })
    return { ask, close }
  } catch (error) {
    close()
    throw error
  }
}

const ITEMS = 10_000
const systems = Object.keys(rpcTransports) as ReadonlyArray<RpcSystem>
/** What the ratios refer to. */
const reference: RpcSystem = "NodeSocket, TLS"

const calls = (pair: RpcPair, inFlight: number, millis: number): Promise<CallsAnswer> =>
  pair.ask({ kind: "calls", inFlight, millis })

const items = (pair: RpcPair, millis: number): Promise<ItemsAnswer> =>
  pair.ask({ kind: "items", count: ITEMS, millis })

const warmUp = async (pair: RpcPair, millis: number): Promise<void> => {
  await calls(pair, 64, millis)
  await items(pair, millis)
}

const latency = (from: string, short: string): Metric => ({
  from,
  metric: `call latency ${short}`,
  short,
  unit: "ms",
  scale: 1,
  more: false
})

const rate = (from: string, unit: string): Metric => ({
  from,
  metric: `${unit} a second`,
  short: "",
  unit: `${unit}/s`,
  scale: 1,
  more: true
})

interface Measurement {
  /** Undefined for items. */
  readonly inFlight?: number
  readonly conditions: string
  readonly metrics: ReadonlyArray<Metric>
  readonly link: LinkConditions
  readonly run: (pair: RpcPair, millis: number) => Promise<Result["values"]>
}

const callsOf = (inFlight: number, where: string, link: LinkConditions): Measurement => ({
  inFlight,
  conditions: `${where}, ${inFlight === 1 ? "a call at a time" : `${inFlight} calls in flight`}`,
  metrics: [latency("p50", "p50"), latency("p99", "p99"), rate("perSecond", "calls")],
  link,
  run: async (pair, millis) => ({ ...(await calls(pair, inFlight, millis)) })
})

const itemsOf = (where: string, link: LinkConditions): Measurement => ({
  conditions: `${where}, a streamed reply of ${ITEMS} items`,
  metrics: [rate("perSecond", "items")],
  link,
  run: async (pair, millis) => ({ ...(await items(pair, millis)) })
})

const clean: LinkConditions = { delayMillis: 0 }

const onLoopback = [callsOf(1, "loopback", clean), callsOf(64, "loopback", clean), itemsOf("loopback", clean)]

const onLink = [
  itemsOf("RTT 100 ms", { delayMillis: 50 }),
  itemsOf("RTT 200 ms", { delayMillis: 100 }),
  callsOf(64, "RTT 20 ms", { delayMillis: 10 }),
  callsOf(64, "RTT 20 ms, 1 % loss each way", { delayMillis: 10, lossRate: 0.01 })
]

/** Before what is measured: code is compiled, and the connection knows the link. */
const SETTLE_MILLIS = 2_000

/** With a connection of its own, which has known the link's delay from the beginning. */
const measureOn = async (each: Measurement, system: RpcSystem, link: Link, millis: number) => {
  await link.set({ delayMillis: each.link.delayMillis })
  const pair = await rpcPair(system, link)
  try {
    await calls(pair, 64, SETTLE_MILLIS)
    await link.set(each.link)
    await calls(pair, 64, SETTLE_MILLIS / 4)
    return await each.run(pair, millis)
  } finally {
    pair.close()
  }
}

const measureOnLoopback = async (system: RpcSystem, millis: number, keep: Keep): Promise<void> => {
  const pair = await rpcPair(system, loopback)
  try {
    await warmUp(pair, Math.max(millis, SETTLE_MILLIS))
    for (const each of onLoopback) keep(each, system, await each.run(pair, millis))
  } finally {
    pair.close()
  }
}

type Keep = (each: Measurement, system: string, values: Result["values"]) => void

/** Each system in turn; `isQuick` for a look. */
export const rpcRows = async (title: string, isQuick: boolean): Promise<Array<Row>> => {
  const millis = isQuick ? 500 : 5_000
  const all = new Map<Measurement, Map<string, ReadonlyArray<Result>>>(
    [...onLoopback, ...onLink].map((each) => [each, new Map()])
  )
  const keep: Keep = (each, system, values) => all.get(each)!.set(system, [{ values }])
  for (const system of systems) await measureOnLoopback(system, millis, keep)
  await withLink(async (link) => {
    for (const each of onLink)
      for (const system of systems) keep(each, system, await measureOn(each, system, link, 2 * millis))
  })
  const rows = [...all].flatMap(([{ conditions, metrics }, results]) =>
    results.size === 0 ? [] : printTable(`${title}: ${conditions}`, conditions, metrics, reference, results)
  )
  return [...rows, ...(await simulatedRows(title, 2 * millis))]
}

/** What the protocol makes of the same links where the machine has no part in it. */
const simulatedRows = async (title: string, millis: number): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  for (const { conditions, inFlight, link, metrics } of onLink) {
    if (inFlight === undefined) continue
    const values: Result["values"] = { ...(await simulatedCalls(link, inFlight, millis)) }
    const figures = metrics.map(({ from, metric, unit }) => ({ metric, unit, value: values[from] }))
    rows.push(...printFigures(title, { conditions: `in the simulator, ${conditions}`, figures }))
  }
  return rows
}
