/**
 * Names of what is sent. Who receives it writes files by these names, so none may lead out of the directory it writes to, nor
 * say to a terminal anything but what it is.
 */
import { withoutControls } from "../internal/printable.ts"

/** Bytes of UTF-8 in one name, as file systems have it. */
export const MAX_NAME_BYTES = 255
/** Bytes of UTF-8 in a path. */
export const MAX_PATH_BYTES = 1024
/** Names in a path. */
export const MAX_DEPTH = 32

const utf8 = new TextEncoder()

const badName = (name: string): string | undefined => {
  if (name === "") return "an empty name"
  if (name === "." || name === "..") return `the name ${name}`
  if (/[/\\]/.test(name)) return "a separator in a name"
  if (withoutControls(name) !== name) return "a character that cannot be shown"
  if (utf8.encode(name).length > MAX_NAME_BYTES) return `a name of more than ${MAX_NAME_BYTES} bytes`
  return undefined
}

/** What is wrong with `path`, names separated by `/`; undefined if it may be sent and written. */
export const badPath = (path: string): string | undefined => {
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "an absolute path"
  if (utf8.encode(path).length > MAX_PATH_BYTES) return `a path of more than ${MAX_PATH_BYTES} bytes`
  const names = path.split("/")
  if (names.length > MAX_DEPTH) return `a path of more than ${MAX_DEPTH} names`
  for (const name of names) {
    const problem = badName(name)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** The path of which two would be the same file, or a file and a directory at once; undefined if there is none. */
export const conflictOf = (
  entries: ReadonlyArray<{ readonly path: string; readonly isDirectory: boolean }>
): string | undefined => {
  const leaves = new Map<string, boolean>()
  for (const { path, isDirectory } of entries) {
    if (leaves.has(path)) return path
    leaves.set(path, isDirectory)
  }
  for (const { path } of entries)
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
      if (leaves.get(path.slice(0, end)) === false) return path.slice(0, end)
  return undefined
}
