import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"

const root = new URL("../..", import.meta.url).pathname

/** `RFC 9000 §8.1 #2 #S3` in a comment or a test's name. */
export interface Citation {
  /** `9000 §8.1` */
  readonly section: string
  /** The requirements cited within the section, `2` and `S3`; empty if unspecified. */
  readonly labels: ReadonlyArray<string>
  /** `src/path/Route.ts:12`, or only the line if there is no file. */
  readonly place: string
}

const shape = /RFC ?(\d{4})|(§)([0-9A-Z]+(?:\.[0-9]+)*)((?: #S?\d+)*)|draft-[a-z-]+/g

/** A bare `§8.2` refers to the RFC last named in the file. */
export const citationsIn = (text: string, file?: string): ReadonlyArray<Citation> => {
  const found: Array<Citation> = []
  let rfc: string | undefined
  text.split("\n").forEach((line, index) => {
    for (const [, named, , section, labels] of line.matchAll(shape)) {
      // a draft has no RFC number, so sections cited after it belong to no RFC
      if (section === undefined) rfc = named
      else if (rfc !== undefined)
        found.push({
          section: `${rfc} §${section}`,
          labels: [...labels.matchAll(/S?\d+/g)].map(([label]) => label),
          place: file === undefined ? String(index + 1) : `${file}:${index + 1}`
        })
    }
  })
  return found
}

export const citationsOf = (...folders: ReadonlyArray<string>): ReadonlyArray<Citation> =>
  folders
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    // the tests of this account cite only to test the parser
    .filter((file) => !file.startsWith(join(root, "test/rfc/")))
    .sort()
    .flatMap((file) => citationsIn(readFileSync(file, "utf8"), relative(root, file)))
