/**
 * Where a process spends its time, by stage of packet processing: a sampling profile in which the time of Node and V8
 * internals is attributed to the line of ours that called them.
 */
import { Session } from "node:inspector/promises"
import type { Profiler } from "node:inspector"

/** Microseconds by stage. */
export interface Stages {
  readonly [stage: string]: number
}

/** The first entry that matches a frame's file and function names its stage. */
const stages: ReadonlyArray<readonly [stage: string, file: RegExp, name?: RegExp]> = [
  ["header protection", /crypto\/nodePackets\.ts$/, /mask|AesHeaderKey/],
  ["header protection", /layers\/ffi\/crypto\/FfiHeaderKey/],
  ["AEAD", /crypto\/nodePackets\.ts$|layers\/ffi\/crypto\//],
  ["socket", /layers\/(node\/NodeUdpPort|udp\/|ffi\/)|^node:(dgram|internal\/dgram)/],
  ["frames", /src\/wire\//],
  ["streams", /src\/stream\//],
  ["acknowledgments, loss, congestion", /src\/recovery\//],
  ["packets", /src\/(connection|endpoint|protect|path)\//],
  ["actors", /src\/actor\//],
  ["API", /src\/\w+\.ts$/],
  ["Effect", /node_modules\/effect\//],
  // the profiler's own startup
  ["idle", /test\/bench\/stages\.ts$/],
  ["the benchmark itself", /test\/bench\//]
]

const stageOf = ({ callFrame }: Profiler.ProfileNode): string | undefined => {
  const { functionName, url } = callFrame
  if (functionName === "(garbage collector)") return "garbage collection"
  if (functionName === "(program)") return "native: event loop, receive calls"
  if (functionName === "(idle)") return "idle"
  return stages.find(
    ([, file, name]) => file.test(url) && (name === undefined || name.test(functionName))
  )?.[0]
}

const session = new Session()

/** Of the main thread, when the profile began. */
let cpuBefore: NodeJS.CpuUsage

export const startProfile = async (): Promise<object> => {
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: 200 })
  await session.post("Profiler.start")
  cpuBefore = process.threadCpuUsage()
  return {}
}

/** Samples are of wall clock; as shares of the thread's CPU time they do not depend on what else the machine does. */
export const stopProfile = async (): Promise<Stages> => {
  const { user, system } = process.threadCpuUsage(cpuBefore)
  const { profile } = await session.post("Profiler.stop")
  session.disconnect()
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const stageById = new Map<number, string>()
  const walk = (id: number, above: string): void => {
    const node = nodes.get(id)!
    const stage = stageOf(node) ?? above
    stageById.set(id, stage)
    for (const child of node.children ?? []) walk(child, stage)
  }
  walk(profile.nodes[0].id, "node")
  const micros: { [stage: string]: number } = {}
  const { samples = [], timeDeltas = [] } = profile
  samples.forEach((id, i) => {
    const stage = stageById.get(id)!
    micros[stage] = (micros[stage] ?? 0) + timeDeltas[i]
  })
  delete micros.idle
  const sampled = Object.values(micros).reduce((sum, each) => sum + each, 0)
  for (const stage of Object.keys(micros)) micros[stage] *= (user + system) / sampled
  return micros
}
