/** A directory to serve files from, and nothing outside it. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import { fail } from "./report.ts"

export interface ServedFile {
  readonly file: FileSystem.File
  readonly bytes: number
}

export interface ServedDirectory {
  /**
   * Opens a regular file below the root; undefined if there is none at `path`, if `path` leads outside, or if it or one of
   * its parent directories is hidden.
   */
  readonly open: (path: string) => Effect.Effect<ServedFile | undefined, never, Scope.Scope>
}

/** `.env`, `.git` and the like are not served; `.well-known` is (RFC 8615). */
const isHidden = (segment: string): boolean => segment.startsWith(".") && segment !== ".well-known"

/** Resolves the symbolic links of `directory`, so that paths can be checked to lie below it. */
export const servedDirectory = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const root = yield* fs.realPath(directory)
  if ((yield* fs.stat(root)).type !== "Directory") return yield* fail(`${directory}: not a directory`)
  const inside = root.endsWith(paths.sep) ? root : root + paths.sep

  const openReal = Effect.fnUntraced(function* (
    path: string
  ): Effect.fn.Return<ServedFile | undefined, PlatformError, Scope.Scope> {
    // checked after resolving `..` and links
    const real = yield* fs.realPath(paths.join(root, path))
    if (!real.startsWith(inside)) return undefined
    if (real.slice(inside.length).split(paths.sep).some(isHidden)) return undefined
    // checked before opening, as opening a FIFO would wait for a writer
    if ((yield* fs.stat(real)).type !== "File") return undefined
    const file = yield* fs.open(real, { flag: "r" })
    return { file, bytes: Number((yield* file.stat).size) }
  })

  return {
    open: (path) =>
      path.split(/[/\\]/).some(isHidden)
        ? Effect.undefined
        : Effect.orElseSucceed(openReal(path), () => undefined)
  } satisfies ServedDirectory as ServedDirectory
})
