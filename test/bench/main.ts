/**
 * `npm run bench [-- --quick] [--only TEXT] [--system NAME]… [--connections N] [--streams N] [--json FILE]
 * [--svg FILE] [--markdown FILE]`: compares all systems in one run, each side in its own process on loopback. Machines are noisy, so
 * what counts is the ratio beside each figure. A figure is the median of its repetitions, which alternate between systems so that noise affects
 * all of them.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { type Benchmark, benchmarks, staged } from "./benchmarks.ts"
import { clusterRows } from "./cluster.ts"
import { crowd, crowdFigures } from "./crowd.ts"
import { flood } from "./flood.ts"
import { schedulerRows } from "./grid/report.ts"
import { headOfLineRows } from "./headOfLine.ts"
import { certificate } from "./identity.ts"
import { manyPeers, manyPeersFigures } from "./manyPeers.ts"
import { parkedFigures, parkedStreams } from "./parkedStreams.ts"
import { secondPathFigures, secondPaths } from "./secondPath.ts"
import { printFigures, printStages, printTable, type Row } from "./report.ts"
import { rpcRows } from "./rpc.ts"
import { FfiCryptoSuite } from "../../layers/ffi/index.ts"
import { NodeCryptoSuite } from "../../layers/node/index.ts"
import { shards } from "./shards.ts"
import { simulatedSpeed } from "./simulation.ts"
import type { Stages } from "./stages.ts"
import type { Result, System } from "./system.ts"
import { systems } from "./systems.ts"
import { measure, stagesOf } from "./workers.ts"

const { values: options } = parseArgs({
  options: {
    json: { type: "string" },
    /** Where the picture goes, of head-of-line or of schedulers. */
    svg: { type: "string" },
    /** Where the table of the schedulers goes. */
    markdown: { type: "string" },
    quick: { type: "boolean", default: false },
    /** Only benchmarks whose title contains this. */
    only: { type: "string", default: "" },
    /** Only these systems. */
    system: { type: "string", multiple: true },
    connections: { type: "string" },
    streams: { type: "string" }
  }
})

const extent = {
  scale: options.quick ? 0.05 : 1,
  connections: Number(options.connections ?? (options.quick ? 100 : 1000)),
  streams: Number(options.streams ?? (options.quick ? 500 : 10_000))
}

const { certPem, keyPem } = await certificate()
process.env.BENCH_CERT = certPem
process.env.BENCH_KEY = keyPem

const isAsked = (system: string): boolean => options.system?.includes(system) ?? true

const results = async ({ task, isSteady = false }: Benchmark): Promise<Map<string, Array<Result>>> => {
  const isResumption = task.kind === "handshake" && task.tickets === "use"
  const able = Object.entries<System>(systems).filter(
    ([name, { kinds, resumes }]) =>
      kinds.includes(task.kind) && (resumes === true || !isResumption) && isAsked(name)
  )
  const all = new Map<string, Array<Result>>(able.map(([name]) => [name, []]))
  for (let i = 0; i < (options.quick || isSteady ? 1 : 5); i++)
    for (const [name] of able)
      try {
        all.get(name)!.push(await measure(name, task))
      } catch (error) {
        console.error(`${name}: ${error}`)
      }
  return all
}

const rows: Array<Row> = []
const isWanted = (title: string): boolean => title.includes(options.only)

for (const each of benchmarks(extent))
  if (isWanted(each.title))
    rows.push(...printTable(each.title, each.conditions, each.metrics, each.reference, await results(each)))

for (const [side, verb] of [
  ["server", "received"],
  ["client", "sent"]
] as const) {
  const title = `effect-quic: cost of a packet ${verb} in bulk, by stage (1452 bytes)`
  if (!isWanted(title)) continue
  const stages = new Map<string, Stages>()
  for (const [system, { io }] of Object.entries<System>(systems))
    if (io !== undefined && isAsked(system)) stages.set(system, await stagesOf(system, side, staged(extent)))
  rows.push(...printStages(title, `${side}, 1452 B datagrams`, stages))
}

const parkedTitle = "effect-quic: idle streams with waiting handlers"
if (isWanted(parkedTitle)) {
  const [connections, streams] = options.quick ? [100, 100] : [1000, 100]
  rows.push(...printFigures(parkedTitle, parkedFigures(await parkedStreams(connections, streams))))
}

const secondPathTitle = "effect-quic: memory of a second idle path"
if (isWanted(secondPathTitle))
  rows.push(...printFigures(secondPathTitle, secondPathFigures(await secondPaths(options.quick ? 100 : 400))))

const crowdTitle = "effect-quic: many clients at once"
if (isWanted(crowdTitle))
  for (const clients of options.quick ? [100] : [100, 400, 1600])
    rows.push(...printFigures(crowdTitle, crowdFigures(await crowd(clients))))

const manyTitle = "effect-quic: many peers on one endpoint"
if (isWanted(manyTitle)) {
  const few = await manyPeers(50)
  const many = await manyPeers(options.quick ? 500 : 5000)
  rows.push(...printFigures(manyTitle, manyPeersFigures(few, many)))
}

const shardsTitle = "effect-quic: one port, several workers"
if (isWanted(shardsTitle)) rows.push(...printFigures(shardsTitle, await shards(4, options.quick ? 1 : 3)))

const floodTitle = "effect-quic: a flood from spoofed addresses"
if (isWanted(floodTitle)) for await (const figures of flood()) rows.push(...printFigures(floodTitle, figures))

const rpcTitle = "RPC"
if (isWanted(rpcTitle)) rows.push(...(await rpcRows(rpcTitle, options.quick)))

const headOfLineTitle = "head-of-line"
if (isWanted(headOfLineTitle))
  rows.push(...(await headOfLineRows(headOfLineTitle, options.quick, options.svg)))

// simulated, exact, and some minutes long: only when it is asked for
if (options.only === "schedulers") rows.push(...(await schedulerRows(options.quick, options)))

const clusterTitle = "cluster"
if (isWanted(clusterTitle)) rows.push(...(await clusterRows(clusterTitle, options.quick)))

const simulatedTitle = "Simulated network of ten hosts"
if (isWanted(simulatedTitle)) {
  await simulatedSpeed("heavy", 2) // warms up the JIT
  for (const load of ["moderate", "heavy"] as const)
    for (const suite of [NodeCryptoSuite.suite, FfiCryptoSuite.get().suite]) {
      const { virtualSeconds, realSeconds } = await simulatedSpeed(load, options.quick ? 20 : 300, suite)
      const metric = `${load} load, seconds a second`
      const figure = { metric, value: virtualSeconds / realSeconds, unit: "x real time" }
      const conditions = `${load} load, cryptography: ${suite.name}`
      rows.push(...printFigures(simulatedTitle, { conditions, figures: [figure] }))
    }
}

if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, undefined, 2)}\n`)
process.exit(0)
