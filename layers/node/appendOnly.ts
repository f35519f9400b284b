/** Files that are only appended to: secrets and qlog, which must never stand in the way of the connections they are about. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"

/** A log named by the environment cannot be written; `message` is one line: which variable, where, and why. */
export class LogFileError extends Schema.TaggedError<LogFileError>()("LogFileError", {
  variable: Schema.String,
  path: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.variable}: cannot write to ${this.path}: ${this.problem}`
  }
}

const problems: Record<string, string> = {
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENOENT: "no such file or directory",
  ENOTDIR: "it is no directory, or a part of it is none",
  EEXIST: "it exists already and is not a directory",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left"
}

const problemOf = (cause: unknown): string => {
  const { code = "", message = String(cause) } = cause as {
    readonly code?: string
    readonly message?: string
  }
  return problems[code] ?? message
}

/** Makes the file if there is none, readable for its owner alone; throws when it cannot be written. */
export const create = (path: string): void => fs.closeSync(fs.openSync(path, "a", 0o600))

/** Fails with a {@link LogFileError} when `attempt`, which touches `path`, throws. */
export const writing = <A>(
  variable: string,
  path: string,
  attempt: () => A
): Effect.Effect<A, LogFileError> =>
  Effect.try({
    try: attempt,
    catch: (cause) => new LogFileError({ variable, path, problem: problemOf(cause) })
  })

/**
 * Appends to `path`, a new file readable by its owner alone. The first failure, a full disk say, is told to `onFailure`,
 * and is the last attempt: what is logged goes on without its log.
 */
export const appendTo = (path: string, onFailure: (problem: string) => void): ((text: string) => void) => {
  let broken = false
  return (text) => {
    if (broken) return
    try {
      fs.appendFileSync(path, text, { mode: 0o600 })
    } catch (cause) {
      broken = true
      onFailure(`cannot write to ${path}: ${problemOf(cause)}`)
    }
  }
}
