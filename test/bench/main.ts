/**
 * `npm run bench [-- --json FILE] [--quick]`: every system side by side in one run, each side in a process of its own on
 * loopback. Machines are noisy, so what counts is the ratio column; each figure is the best of its repetitions, taken
 * in turns so that a slow minute slows everybody.
 */
import { fork, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { certificate } from "./identity.ts"
import type { Result, Side, System, Task } from "./system.ts"
import { systems } from "./systems.ts"

interface Row {
  readonly system: string
  readonly metric: string
  readonly conditions: string
  readonly value: number
  readonly unit: string
}

const { values: options } = parseArgs({
  options: { json: { type: "string" }, quick: { type: "boolean", default: false } }
})

type Open<T> = T extends Task ? Omit<T, "port"> : never

interface Benchmark {
  readonly title: string
  readonly conditions: string
  readonly task: Open<Task>
  /** Metrics of the result: name, unit, scale, and whether more is better. */
  readonly metrics: ReadonlyArray<{
    from: string
    metric: string
    unit: string
    scale: number
    more: boolean
  }>
  /** What the ratio column compares with. */
  readonly reference: string
}

const scale = options.quick ? 0.1 : 1
const bulk = (datagramBytes: number): Benchmark => ({
  title: `One stream, client to server, datagrams of ${datagramBytes} bytes`,
  conditions: `1 stream, ${datagramBytes} B datagrams`,
  task: { kind: "bulk", bytes: 200_000_000 * scale, datagramBytes },
  metrics: [{ from: "bitsPerSecond", metric: "goodput", unit: "Mbit/s", scale: 1e-6, more: true }],
  reference: "node:dgram"
})

const benchmarks: ReadonlyArray<Benchmark> = [
  bulk(1452),
  bulk(1200),
  {
    title: "A call: 64 bytes there and back, each on a stream of its own",
    conditions: "64 B request and reply, sequential",
    task: { kind: "call", calls: 5_000 * scale },
    metrics: [
      { from: "p50", metric: "call latency p50", unit: "µs", scale: 1, more: false },
      { from: "p99", metric: "call latency p99", unit: "µs", scale: 1, more: false }
    ],
    reference: "@matrixai/quic"
  },
  {
    title: "Handshakes, one after the other, certificate verified",
    conditions: "sequential",
    task: { kind: "handshake", count: 300 * scale },
    metrics: [{ from: "perSecond", metric: "handshakes", unit: "1/s", scale: 1, more: true }],
    reference: "node:tls"
  }
]

const repetitions = options.quick ? 1 : 3

const worker = (system: string, role: "client" | "server"): ChildProcess =>
  fork(new URL("worker.ts", import.meta.url), [system, role], {
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })

const ask = async <A>(child: ChildProcess, task: Task): Promise<A> => {
  child.send(task)
  const [answer] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error("the worker died")))
  ])
  return answer as A
}

const measure = async (system: string, given: Open<Task>): Promise<Result> => {
  const { bulkShare = 1 }: System = systems[system as keyof typeof systems]
  const task = given.kind === "bulk" ? { ...given, bytes: given.bytes * bulkShare } : given
  const server = worker(system, "server")
  const client = worker(system, "client")
  try {
    const { port } = await ask<Side>(server, { ...task, port: 0 } as Task)
    return await ask<Result>(client, { ...task, port } as Task)
  } finally {
    client.kill()
    server.kill()
  }
}

const { certPem, keyPem } = await certificate()
process.env.BENCH_CERT = certPem
process.env.BENCH_KEY = keyPem

const rows: Array<Row> = []
for (const { title, conditions, task, metrics, reference } of benchmarks) {
  const able = Object.entries(systems).filter(([, system]) => system.kinds.includes(task.kind))
  const results = new Map<string, Array<Result>>(able.map(([name]) => [name, []]))
  for (let i = 0; i < repetitions; i++)
    for (const [name] of able)
      try {
        results.get(name)!.push(await measure(name, task))
      } catch (error) {
        console.error(`${name}: ${error}`)
      }
  console.log(`\n${title}`)
  for (const { from, metric, unit, scale: factor, more } of metrics) {
    const best = new Map<string, number>()
    for (const [name, list] of results) {
      const figures = list.map(({ values }) => values[from] * factor)
      if (figures.length > 0) best.set(name, more ? Math.max(...figures) : Math.min(...figures))
    }
    const base = best.get(reference)
    console.log(`${`  ${metric} (${unit})`.padEnd(34)}${"".padStart(10)}   relative to ${reference}`)
    for (const [name, value] of best) {
      rows.push({ system: name, metric, conditions, value, unit })
      const ratio = base === undefined ? "" : (value / base).toFixed(2)
      console.log(`    ${name.padEnd(30)}${value.toFixed(value < 100 ? 1 : 0).padStart(10)}   ${ratio}`)
    }
  }
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, undefined, 2)}\n`)
process.exit(0)
