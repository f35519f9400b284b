/** The parent's side of the worker processes. */
import type { Role } from "../../src/wire/Role.ts"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import type { MemoryUse } from "./memory.ts"
import type { Stages } from "./stages.ts"
import type { OpenTask, Result, Side, System, Task } from "./system.ts"
import { systems } from "./systems.ts"
import type { CpuUse, Question } from "./worker.ts"

// a system's logs stay out of the report; errors arrive as answers
const start = (file: string, args: ReadonlyArray<string> = [], env: object = {}): ChildProcess =>
  fork(new URL(file, import.meta.url), args, {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    execArgv: ["--expose-gc"],
    env: { ...process.env, ...env }
  })

const ask = async <A extends object>(child: ChildProcess, question: object): Promise<A> => {
  const asking = new AbortController()
  const { signal } = asking
  const answered = once(child, "message", { signal })
  const died = once(child, "exit", { signal }).then(() => Promise.reject(new Error("the worker died")))
  child.send(question)
  const [answer] = await Promise.race([answered, died]).finally(() => {
    // what has lost the race listens no longer
    died.catch(() => {})
    asking.abort()
  })
  if ("error" in answer) throw new Error(answer.error)
  return answer as A
}

/** A server and a client of one system. */
export interface Pair {
  /** Runs the task on the client, through a relay if it asks for delay. */
  run(task: OpenTask): Promise<Result>
  ask<A extends object>(side: Role, question: Exclude<Question, Task>): Promise<A>
}

/** Starts both sides for tasks like `first`, and stops them after `use`. */
export const withPair = async <A>(
  system: string,
  first: OpenTask,
  use: (pair: Pair) => Promise<A>
): Promise<A> => {
  const { io }: System = systems[system as keyof typeof systems]
  const env = io === undefined ? {} : { EFFECT_QUIC_IO: io }
  const sides = {
    server: start("worker.ts", [system, "server"], env),
    client: start("worker.ts", [system, "client"], env)
  }
  const all: Array<ChildProcess> = [sides.server, sides.client]
  try {
    let { port } = await ask<Side>(sides.server, { ...first, port: 0 })
    if (first.kind === "firstByte") {
      const relay = start("relay.ts")
      all.push(relay)
      ;({ port } = await ask<Side>(relay, { port, delayMillis: first.delayMillis }))
    }
    return await use({
      run: (task) => ask(sides.client, { ...task, port }),
      ask: (side, question) => ask(sides[side], question)
    })
  } finally {
    for (const child of all) child.kill()
  }
}

const shortened = (task: OpenTask, share: number): OpenTask => {
  if (task.kind === "bulk") return { ...task, bytes: task.bytes * share }
  return task.kind === "holdConnections" ? { ...task, count: Math.ceil(task.count * share) } : task
}

/** Runs one task once. */
export const measure = async (system: string, given: OpenTask): Promise<Result> => {
  const { share = 1 }: System = systems[system as keyof typeof systems]
  const task = shortened(given, share)
  return withPair(system, task, (pair) => {
    if (task.kind === "holdConnections" || task.kind === "holdStreams") return held(pair, task)
    if (task.kind === "bulk") return transfers(pair, task)
    return task.kind === "handshake" ? handshakes(pair, task) : pair.run(task)
  })
}

/** A process's first transfer, a tenth of the others, and one when the code has been compiled. */
const transfers = async (pair: Pair, task: Extract<OpenTask, { kind: "bulk" }>): Promise<Result> => {
  const cold = await pair.run({ ...task, bytes: task.bytes / 10 })
  await pair.run({ ...task, bytes: task.bytes / 4 })
  const { values } = await pair.run(task)
  return { values: { ...values, firstBitsPerSecond: cold.values.bitsPerSecond } }
}

/** Handshakes after a warm-up, which `--quick` makes short, with their CPU time by side, and what a process's first takes. */
const handshakes = async (pair: Pair, task: Extract<OpenTask, { kind: "handshake" }>): Promise<Result> => {
  const cpu = async (side: Role) => (await pair.ask<CpuUse>(side, { kind: "cpu" })).micros
  const isResumption = task.tickets === "use"
  const collect = () => pair.run({ ...task, tickets: "collect" })
  const cold = await (isResumption ? collect() : pair.run(task))
  for (const warmBy = performance.now() + task.warmUpMillis; performance.now() < warmBy; ) {
    await pair.run(task)
    if (isResumption) await collect()
  }
  const before = { client: await cpu("client"), server: await cpu("server") }
  const { values } = await pair.run(task)
  return {
    values: {
      perSecond: values.perSecond,
      firstMillis: cold.values.firstMillis,
      clientMicros: ((await cpu("client")) - before.client) / task.count,
      serverMicros: ((await cpu("server")) - before.server) / task.count
    }
  }
}

/** Kilobytes per held connection or stream on either side, after a first batch has loaded code and filled pools. */
const held = async (pair: Pair, task: Extract<OpenTask, { count: number }>): Promise<Result> => {
  const both = async () => ({
    client: await pair.ask<MemoryUse>("client", { kind: "memory" }),
    server: await pair.ask<MemoryUse>("server", { kind: "memory" })
  })
  await pair.run({ ...task, count: Math.min(200, Math.ceil(task.count / 4)) })
  const before = await both()
  await pair.run(task)
  const after = await both()
  const kilobytes = (side: Role, of: keyof MemoryUse): number =>
    (after[side][of] - before[side][of]) / 1000 / task.count
  return {
    values: {
      client: kilobytes("client", "managedBytes"),
      server: kilobytes("server", "managedBytes"),
      clientResident: kilobytes("client", "residentBytes"),
      serverResident: kilobytes("server", "residentBytes")
    }
  }
}

/** Profiles one side of a bulk transfer: microseconds per packet and stage. */
export const stagesOf = async (
  system: string,
  side: Role,
  task: Extract<OpenTask, { kind: "bulk" }>
): Promise<Stages> =>
  withPair(system, task, async (pair) => {
    await pair.run({ ...task, bytes: task.bytes / 4 })
    await pair.ask(side, { kind: "profile" })
    const { values } = await pair.run(task)
    const stages = await pair.ask<Stages>(side, { kind: "stages" })
    return Object.fromEntries(
      Object.entries(stages).map(([stage, micros]) => [stage, micros / values.datagrams])
    )
  })
