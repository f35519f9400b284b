/**
 * `node test/bench/flood.ts [PACKETS_A_SECOND]`: a server with default options under a flood from spoofed addresses.
 * Reports what its established client and new ones get, beside the same with the flood aimed at another port, so that
 * the machine is as busy; the share of spoofed packets that the server reads, as the kernel drops others, and packets of
 * honest clients with them; its CPU time for each; and its memory afterwards.
 */
import { type ChildProcess, fork } from "node:child_process"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { heard } from "./sides.ts"
import { setTimeout as sleep } from "node:timers/promises"
import { type FloodKind, type FloodOrder, floodKinds } from "./floodSource.ts"
import type { FloodQuestion, Newcomers, Transferred, Usage } from "./floodSides.ts"
import { certificate } from "./identity.ts"
import type { MemoryUse } from "./memory.ts"
import type { Figures } from "./report.ts"

export const FLOOD_PER_SECOND = 50_000
const PHASE_MILLIS = 3_000
/** After that long the server's memory is measured again. */
const RECOVERY_MILLIS = 10_000
/** What the established client asks for where it is not as much as possible. */
const OFFERED_BITS_PER_SECOND = 50e6

const start = (file: string, ...args: ReadonlyArray<string>): ChildProcess =>
  fork(new URL(file, import.meta.url), args, {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: ["--expose-gc"]
  })

const ask = <A extends object>(child: ChildProcess, question: FloodQuestion | FloodOrder): Promise<A> => {
  const answer = heard<A>(child)
  child.send(question)
  return answer
}

interface Sides {
  readonly server: ChildProcess
  readonly client: ChildProcess
  readonly source: ChildProcess
  readonly port: number
  /** A socket that nobody reads. */
  readonly elsewhere: number
  readonly perSecond: number
}

/** Infinite for no values: nobody got in. */
const percentile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ??
  Number.POSITIVE_INFINITY

const flooded = async <A>(
  { source, perSecond }: Sides,
  kind: FloodKind,
  port: number,
  work: () => Promise<A>
): Promise<{ result: A; sent: number }> => {
  // the first order makes the datagrams, which takes a while
  await ask(source, { kind, port, perSecond: 0, millis: 0 })
  const flood = ask<{ sent: number }>(source, { kind, port, perSecond, millis: PHASE_MILLIS + 1000 })
  await sleep(500)
  const result = await work()
  return { result, sent: (await flood).sent }
}

const usageOf = (child: ChildProcess): Promise<Usage> => ask(child, { kind: "usage" })

/** The server's CPU time for a packet of each kind that it reads, while it does nothing else. */
const costs = async (sides: Sides) => {
  const figures: Array<Figures["figures"][number]> = []
  for (const kind of floodKinds) {
    const before = await usageOf(sides.server)
    const { sent } = await flooded(sides, kind, sides.port, () => sleep(PHASE_MILLIS))
    const after = await usageOf(sides.server)
    const cpuMicros = after.cpuMicros - before.cpuMicros
    const read = after.datagramsReceived - before.datagramsReceived
    figures.push(
      { metric: `${kind}: sent`, value: (1000 * sent) / (PHASE_MILLIS + 1000), unit: "1/s" },
      { metric: `${kind}: share that the server reads`, value: read / sent, unit: "" },
      { metric: `${kind}: server CPU for each it reads`, value: cpuMicros / read, unit: "µs" }
    )
  }
  return figures
}

/** What an established client and new ones get. */
const service = async (sides: Sides, kind: FloodKind) => {
  const { client, port, elsewhere } = sides
  const transfer = (bitsPerSecond: number) => () =>
    ask<Transferred>(client, { kind: "transfer", port, millis: PHASE_MILLIS, bitsPerSecond })
  const goodput = async (at: number, limit: number) =>
    (await flooded(sides, kind, at, transfer(limit))).result.bitsPerSecond / 1e6
  const offered = {
    unflooded: await goodput(elsewhere, OFFERED_BITS_PER_SECOND),
    flooded: await goodput(port, OFFERED_BITS_PER_SECOND)
  }
  const most = { unflooded: await goodput(elsewhere, 1e12), flooded: await goodput(port, 1e12) }
  const ratio = (of: typeof most): number => of.flooded / of.unflooded
  const visits = () => ask<Newcomers>(client, { kind: "newcomers", port, millis: PHASE_MILLIS })
  const { result: quiet } = await flooded(sides, kind, elsewhere, visits)
  const { result: under } = await flooded(sides, kind, port, visits)
  return [
    { metric: "50 Mbit/s asked: goodput, flood elsewhere", value: offered.unflooded, unit: "Mbit/s" },
    { metric: "50 Mbit/s asked: goodput, flooded", value: offered.flooded, unit: "Mbit/s" },
    { metric: "50 Mbit/s asked: ratio", value: ratio(offered), unit: "" },
    { metric: "as much as possible: goodput, flood elsewhere", value: most.unflooded, unit: "Mbit/s" },
    { metric: "as much as possible: goodput, flooded", value: most.flooded, unit: "Mbit/s" },
    { metric: "as much as possible: ratio", value: ratio(most), unit: "" },
    { metric: "newcomers, flood elsewhere", value: quiet.millis.length, unit: "" },
    { metric: "newcomers, flooded", value: under.millis.length, unit: "" },
    { metric: "newcomers that failed, flooded", value: under.failed.length, unit: "" },
    { metric: "newcomer p50, flood elsewhere", value: percentile(quiet.millis, 0.5), unit: "ms" },
    { metric: "newcomer p50, flooded", value: percentile(under.millis, 0.5), unit: "ms" },
    { metric: "slowest newcomer, flooded", value: percentile(under.millis, 1), unit: "ms" }
  ]
}

/** The figures of each part of the benchmark. */
export async function* flood(perSecond = FLOOD_PER_SECOND): AsyncGenerator<Figures> {
  const { certPem, keyPem } = await certificate()
  process.env.BENCH_CERT = certPem
  process.env.BENCH_KEY = keyPem
  const server = start("floodSides.ts", "server")
  const { port } = await heard<{ port: number }>(server)
  const client = start("floodSides.ts", "client")
  const source = start("floodSource.ts")
  const sink = createSocket({ type: "udp4", recvBufferSize: 4096 }).bind(0, "127.0.0.1")
  await once(sink, "listening")
  const sides: Sides = { server, client, source, port, elsewhere: sink.address().port, perSecond }
  const memory = () => ask<MemoryUse>(server, { kind: "memory" })
  try {
    await ask(client, { kind: "transfer", port, millis: 1000, bitsPerSecond: 1e12 })
    await ask(client, { kind: "newcomers", port, millis: 1000 })
    const before = await memory()
    for (const kind of floodKinds)
      yield { conditions: `${kind}, ${perSecond}/s`, figures: await service(sides, kind) }
    yield { conditions: "the cost of a spoofed packet", figures: await costs(sides) }
    const during = await memory()
    await sleep(RECOVERY_MILLIS)
    const after = await memory()
    const megabytes = (use: MemoryUse): number => use.managedBytes / 1e6
    yield {
      conditions: "the server's memory: heap and buffers",
      figures: [
        { metric: "before", value: megabytes(before), unit: "MB" },
        { metric: "at the end of the floods", value: megabytes(during), unit: "MB" },
        { metric: `${RECOVERY_MILLIS / 1000} s later`, value: megabytes(after), unit: "MB" }
      ]
    }
  } finally {
    for (const child of [server, client, source]) child.kill()
    sink.close()
  }
}

if (import.meta.main) {
  for await (const each of flood(Number(process.argv[2] ?? FLOOD_PER_SECOND))) console.log(each)
}
