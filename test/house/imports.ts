/** Import rules: no cycles, and only downward. */
import type { SourceFile } from "./sources.ts"

/** Import cycles (strongly connected components by Tarjan's algorithm), largest first. */
export const circles = (files: ReadonlyArray<SourceFile>): ReadonlyArray<ReadonlyArray<string>> => {
  const importsOf = new Map(files.map(({ path, imports }) => [path, imports]))
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: Array<string> = []
  const found: Array<ReadonlyArray<string>> = []
  const visit = (path: string): number => {
    const own = index.size
    index.set(path, own)
    low.set(path, own)
    stack.push(path)
    for (const next of importsOf.get(path) ?? []) {
      if (!index.has(next)) low.set(path, Math.min(low.get(path)!, visit(next)))
      else if (stack.includes(next)) low.set(path, Math.min(low.get(path)!, index.get(next)!))
    }
    if (low.get(path) === own) {
      const group = stack.splice(stack.indexOf(path))
      if (group.length > 1) found.push(group)
    }
    return low.get(path)!
  }
  for (const { path } of files) if (!index.has(path)) visit(path)
  return found.sort((a, b) => b.length - a.length)
}

/**
 * Folders from bottom to top. A file imports only from its own layer and those below; QuicError has a layer of its own.
 */
const layers: ReadonlyArray<ReadonlyArray<string>> = [
  ["src/internal", "src/wire"],
  ["src/capability"],
  ["src/protect", "src/handshake", "src/recovery", "src/path", "src/stream", "src/admission", "src/relay"],
  ["src/nat"],
  ["src/connection"],
  ["src/endpoint", "src/qlog", "src/inspect"],
  [
    "src/QuicError.ts",
    "src/errorReasons.ts",
    "src/streamReasons.ts",
    "src/channelReasons.ts",
    "src/connectionIdReasons.ts",
    "src/connectReasons.ts",
    "src/pathReasons.ts",
    "src/readReasons.ts"
  ],
  ["src/actor"],
  ["src", "src/rpc", "src/socket", "src/channels", "src/cluster", "src/transfer"],
  ["src/cli"],
  ["layers"]
]

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))

const layerOf = (path: string): number => {
  const own = layers.findIndex((folders) => folders.includes(path))
  if (own >= 0) return own
  const folder = folderOf(path)
  return layers.findIndex((folders) =>
    folders.some((name) => (name === "layers" ? path.startsWith("layers/") : folder === name))
  )
}

/** Imports of a higher layer, each as `importer → imported`. */
export const upwardImports = (files: ReadonlyArray<SourceFile>): ReadonlyArray<string> =>
  files.flatMap(({ path, imports }) =>
    imports.filter((imported) => layerOf(imported) > layerOf(path)).map((imported) => `${path} → ${imported}`)
  )

/** Folders not assigned to a layer. */
export const unassignedFolders = (files: ReadonlyArray<SourceFile>): ReadonlyArray<string> => [
  ...new Set(files.filter(({ path }) => layerOf(path) < 0).map(({ path }) => folderOf(path)))
]
