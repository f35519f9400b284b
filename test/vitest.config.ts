import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { defineConfig } from "vitest/config"

const root = new URL("..", import.meta.url).pathname

/** What a test imports tells what it needs of the machine. */
const usesProgram = /\/runCli\.ts"/
const usesLiveLayers =
  /\{[^}]*\b(live|layerWithoutTrust|LiveUdpPort|port)\b[^}]*\} from "[^"]*\/(World|io)\.ts"/
/** Counts objects or bytes. */
const usesHeap = /from "node:v8"/
const usesSystem = /from "node:(child_process|dgram|https?|net|tls|worker_threads)"/

type Project = "simulated" | "live" | "program" | "system" | "heap"

const projectOf = (path: string): Project => {
  const text = readFileSync(join(root, path), "utf8")
  if (usesProgram.test(text)) return "program"
  if (usesLiveLayers.test(text)) return "live"
  if (usesHeap.test(text)) return "heap"
  return usesSystem.test(text) ? "system" : "simulated"
}

const paths = Map.groupBy(globSync("test/**/*.test.ts", { cwd: root }), projectOf)

const project = (name: Project, test: object) => ({
  extends: true as const,
  test: { name, include: paths.get(name) ?? [], ...test }
})

// loading the project takes longer than most tests of it, so files of a worker share what it has loaded
export default defineConfig({
  test: {
    root,
    testTimeout: 120_000,
    pool: "threads",
    isolate: false,
    restoreMocks: true,
    // the first line of a failure is all that CI's summary has
    chaiConfig: { truncateThreshold: 400 },
    projects: [
      project("simulated", { maxWorkers: 2, sequence: { groupOrder: 0 } }),
      // what waits for real time bears no second worker beside it
      project("live", { maxWorkers: 1, sequence: { groupOrder: 1 } }),
      project("system", { maxWorkers: 1, sequence: { groupOrder: 1 } }),
      // a walk through the heap of a worker that has run a thousand tests takes seconds
      project("heap", { maxWorkers: 1, isolate: true, sequence: { groupOrder: 1 } }),
      // most of it is starting processes
      project("program", { maxWorkers: 2, sequence: { groupOrder: 2 } })
    ]
  }
})
