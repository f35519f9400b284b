import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"

const root = new URL("../..", import.meta.url).pathname

/** `9000 §8.1` → where it is cited, as `src/path/Route.ts:12`. */
export type Citations = ReadonlyMap<string, ReadonlyArray<string>>

/** `RFC 9000 §8.1, §8.2` in a comment or a test's name; a bare `§8.2` is of the RFC the file named last. */
export const citationsIn = (text: string): ReadonlyArray<readonly [key: string, line: number]> => {
  const found: Array<readonly [string, number]> = []
  let rfc: string | undefined
  text.split("\n").forEach((line, index) => {
    for (const [, named, , section] of line.matchAll(
      /RFC ?(\d{4})|(§)([0-9A-Z]+(?:\.[0-9]+)*)|draft-[a-z-]+/g
    )) {
      // a draft names no number, so what follows it belongs to no RFC
      if (section === undefined) rfc = named
      else if (rfc !== undefined) found.push([`${rfc} §${section}`, index + 1])
    }
  })
  return found
}

export const citationsOf = (...folders: ReadonlyArray<string>): Citations => {
  const all = new Map<string, Array<string>>()
  for (const folder of folders)
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith(".ts")) continue
      const file = join(entry.parentPath, entry.name)
      for (const [key, line] of citationsIn(readFileSync(file, "utf8"))) {
        const places = all.get(key) ?? []
        places.push(`${relative(root, file)}:${line}`)
        all.set(key, places)
      }
    }
  return all
}
