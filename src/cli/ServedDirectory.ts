/** A directory whose files are given away, and nothing outside it. */
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
  readonly root: string
  /**
   * A regular file below the root, open; undefined when there is none at `path`, when `path` leads out, or when it or a
   * directory on the way to it is hidden.
   */
  readonly open: (path: string) => Effect.Effect<ServedFile | undefined, never, Scope.Scope>
}

/** `.env`, `.git` and the like are not for strangers; `.well-known` is (RFC 8615). */
const isHidden = (segment: string): boolean => segment.startsWith(".") && segment !== ".well-known"

/** `directory` with its symbolic links resolved, so that what lies below it can be told from what does not. */
export const servedDirectory = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const root = yield* fs.realPath(directory)
  if ((yield* fs.stat(root)).type !== "Directory") return yield* fail(`${directory}: not a directory`)
  const inside = root.endsWith(paths.sep) ? root : root + paths.sep

  const openReal = Effect.fnUntraced(function* (
    path: string
  ): Effect.fn.Return<ServedFile | undefined, PlatformError, Scope.Scope> {
    // `..` and links have taken effect here: what counts is where the path ends up, not how it is written
    const real = yield* fs.realPath(paths.join(root, path))
    if (!real.startsWith(inside)) return undefined
    if (real.slice(inside.length).split(paths.sep).some(isHidden)) return undefined
    // before it is opened: opening a FIFO would wait for a writer
    if ((yield* fs.stat(real)).type !== "File") return undefined
    const file = yield* fs.open(real, { flag: "r" })
    return { file, bytes: Number((yield* file.stat).size) }
  })

  return {
    root,
    open: (path) =>
      path.split(/[/\\]/).some(isHidden)
        ? Effect.undefined
        : Effect.orElseSucceed(openReal(path), () => undefined)
  } satisfies ServedDirectory as ServedDirectory
})
