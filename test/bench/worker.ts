/**
 * One side of a benchmark in its own process: `node worker.ts SYSTEM ROLE`. The parent talks to it over IPC: a server
 * answers a task with its port, a client with its results; both report memory use, CPU time, and CPU time by stage since
 * profiling started.
 */
import { memoryUse } from "./memory.ts"
import { startProfile, stopProfile } from "./stages.ts"
import type { Task } from "./system.ts"
import { systems } from "./systems.ts"

export type Question = Task | { readonly kind: "memory" | "profile" | "stages" | "cpu" }

/** Of this process since it started. */
export interface CpuUse {
  readonly micros: number
}

const [name, role] = process.argv.slice(2)
const system = systems[name as keyof typeof systems]

process.on("disconnect", () => process.exit(0))

const cpuUse = (): CpuUse => {
  const { user, system } = process.cpuUsage()
  return { micros: user + system }
}

const answer = async (question: Question): Promise<object> => {
  switch (question.kind) {
    case "memory":
      return memoryUse()
    case "profile":
      return startProfile()
    case "stages":
      return stopProfile()
    case "cpu":
      return cpuUse()
    default:
      return role === "server" ? { port: await system.serve(question) } : system.run(question)
  }
}

process.on("message", (question: Question) => {
  answer(question).then(
    (result) => process.send!(result),
    (error: unknown) => process.send!({ error: error instanceof Error ? error.stack : String(error) })
  )
})
