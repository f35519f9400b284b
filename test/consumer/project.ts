/** A new project somewhere else, in which the packed package is installed as its users install it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { succeed } from "./run.ts"

export const root = new URL("../../", import.meta.url).pathname

export interface Project {
  readonly directory: string
  readonly tarball: string
  readonly write: (file: string, text: string) => void
  /** Has something done when the checks are over. */
  readonly defer: (work: () => Promise<void>) => void
  /** Does it. */
  readonly close: () => Promise<void>
  readonly remove: () => void
}

const versionOf = (name: string): string =>
  JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")).version

/** Builds and packs this package, and installs it beside its peers and what a strict TypeScript project has. */
export const makeProject = async (): Promise<Project> => {
  const directory = mkdtempSync(join(tmpdir(), "effect-quic-consumer-"))
  const write = (file: string, text: string) => writeFileSync(join(directory, file), text)
  const deferred: Array<() => Promise<void>> = []
  const defer: Project["defer"] = (work) => void deferred.push(work)
  const close = async () => {
    for (const work of deferred) await work()
  }
  const remove = () => rmSync(directory, { recursive: true, force: true })
  try {
    await succeed("npm", ["run", "-s", "build"], { cwd: root })
    const packed = await succeed(
      "npm",
      ["pack", "--json", "--ignore-scripts", "--pack-destination", directory],
      { cwd: root }
    )
    const tarball = join(directory, fileNameOf(packed))
    write("package.json", JSON.stringify({ name: "consumer", private: true, type: "module" }))
    const peers = ["effect", "@effect/platform-node", "@effect/vitest", "vitest", "typescript", "@types/node"]
    const versions = peers.map((name) => `${name}@${versionOf(name)}`)
    await succeed("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", tarball, ...versions], {
      cwd: directory,
      timeoutMillis: 300_000
    })
    cpSync(join(root, "test/consumer/programs"), directory, { recursive: true })
    return { directory, tarball, write, defer, close, remove }
  } catch (error) {
    remove()
    throw error
  }
}

/** npm 11 prints a list, npm 12 a record by name. */
const fileNameOf = (json: string): string => {
  const [packed] = Object.values(JSON.parse(json)) as ReadonlyArray<{ readonly filename: string }>
  return packed.filename
}
