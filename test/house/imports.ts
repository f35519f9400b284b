/** Which way imports point: no circles, and never up. */
import type { SourceFile } from "./sources.ts"

/** Groups of files that import each other, directly or through others, the largest first. Tarjan's algorithm. */
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

/** Rooms from the bottom up; the error everything fails with lives on a floor of its own. A file imports from its own room and from those below it. */
const floors: ReadonlyArray<ReadonlyArray<string>> = [
  ["src/internal", "src/wire"],
  ["src/capability"],
  ["src/protect", "src/handshake", "src/recovery", "src/path", "src/stream", "src/admission"],
  ["src/connection"],
  ["src/endpoint", "src/qlog"],
  ["src/QuicError.ts", "src/errorReasons.ts"],
  ["src/actor"],
  ["src"],
  ["src/cli"],
  ["layers"]
]

const roomOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))

const floorOf = (path: string): number => {
  const own = floors.findIndex((rooms) => rooms.includes(path))
  if (own >= 0) return own
  const room = roomOf(path)
  return floors.findIndex((rooms) =>
    rooms.some((name) => (name === "layers" ? path.startsWith("layers/") : room === name))
  )
}

/** Imports from a room below to one above, each as `importer → imported`. */
export const upwardImports = (files: ReadonlyArray<SourceFile>): ReadonlyArray<string> =>
  files.flatMap(({ path, imports }) =>
    imports.filter((imported) => floorOf(imported) > floorOf(path)).map((imported) => `${path} → ${imported}`)
  )

/** Rooms that have no floor yet. */
export const unknownRooms = (files: ReadonlyArray<SourceFile>): ReadonlyArray<string> => [
  ...new Set(files.filter(({ path }) => floorOf(path) < 0).map(({ path }) => roomOf(path)))
]
