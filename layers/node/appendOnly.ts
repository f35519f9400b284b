/** Append-only log files, for secrets and qlog. A failure to write must never affect connections. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"

/**
 * A log file named by the environment cannot be written. `message` is one line with the variable, path and reason.
 *
 * @category errors
 * @since 0.1.0
 */
export class LogFileError extends Schema.TaggedError<LogFileError>()("LogFileError", {
  /** The environment variable. */
  variable: Schema.String,
  /** The file or directory. */
  path: Schema.String,
  /** What the system says. */
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.variable}: cannot write to ${this.path}: ${this.problem}`
  }
}

const problems: Record<string, string> = {
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory, or part of the path is not",
  EEXIST: "already exists and is not a directory",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left on the device"
}

const problemOf = (cause: unknown): string => {
  const { code = "", message = String(cause) } = cause as {
    readonly code?: string
    readonly message?: string
  }
  return problems[code] ?? message
}

/** Creates the file if it does not exist, with owner-only permissions; throws if it cannot be written. */
export const create = (path: string): void => fs.closeSync(fs.openSync(path, "a", 0o600))

/** Runs `attempt`, which accesses `path`; fails with a {@link LogFileError} if it throws. */
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
 * Appends to `path`, created with owner-only permissions. After the first failure, such as a full disk, `onFailure` is
 * called and logging stops.
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
