/**
 * One side of a benchmark in a process of its own: `node worker.ts SYSTEM ROLE`. The parent talks to it over IPC: the
 * server answers `{ port }`, the client takes a task and answers its figures.
 */
import type { Result, Side, Task } from "./system.ts"
import { systems } from "./systems.ts"

const [name, role] = process.argv.slice(2)
const system = systems[name as keyof typeof systems]

process.on("disconnect", () => process.exit(0))

const answer = (message: Side | Result): void => void process.send!(message)

process.on("message", (task: Task) => {
  const run =
    role === "server" ? system.serve(task).then((port) => answer({ port })) : system.run(task).then(answer)
  run.catch((error: unknown) => {
    console.error(`${name} ${role}:`, error)
    process.exit(1)
  })
})
