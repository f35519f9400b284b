/** The runtimes that the package promises to work on, from npm. */
import { join } from "node:path"
import { root } from "./project.ts"
import { succeed } from "./run.ts"

export interface Runtime {
  readonly name: string
  readonly program: string
  readonly args: ReadonlyArray<string>
}

const here = join(root, "test/consumer/runtimes")
const at = (path: string): string => join(here, "node_modules", path)

const node = (major: number): Runtime => ({
  name: `Node ${major}`,
  program: at(`node${major}/bin/node`),
  args: ["--disable-warning=ExperimentalWarning"]
})

export const nodes: ReadonlyArray<Runtime> = [node(22), node(24), node(26)]

export const runtimes: ReadonlyArray<Runtime> = [
  ...nodes,
  { name: "Deno", program: at("@deno/linux-x64-glibc/deno"), args: ["run", "-A"] },
  { name: "Bun", program: at("@oven/bun-linux-x64/bin/bun"), args: [] }
]

/** Older than the package supports. */
export const oldNode: Runtime = { name: "Node 20", program: at("node20/bin/node"), args: [] }

export const installRuntimes = (): Promise<string> =>
  succeed("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: here, timeoutMillis: 300_000 })
