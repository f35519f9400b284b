/** What a person gets to read when something fails: one line, and an exit code. The whole story is for `--log-level debug`. */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { PlatformError } from "effect/PlatformError"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { printable } from "../internal/printable.ts"

/** A failure with something to say. */
export class CliFailure extends Schema.TaggedError<CliFailure>()("CliFailure", {
  message: Schema.String,
  exitCode: Schema.optionalKey(Schema.Int)
}) {}

/** A failure the person has been told about. */
export class Reported extends Schema.TaggedError<Reported>()("Reported", { exitCode: Schema.Int }) {
  override readonly [Runtime.errorReported] = false
  override get [Runtime.errorExitCode](): number {
    return this.exitCode
  }
}

export const fail = (message: string, exitCode = 1): Effect.Effect<never, CliFailure> =>
  Effect.fail(new CliFailure({ message, exitCode }))

/** Messages of ours name files and addresses, and may take a few lines of a terminal. */
const MAX_MESSAGE = 500

const problems: Record<string, string> = {
  NotFound: "no such file or directory",
  PermissionDenied: "permission denied",
  AlreadyExists: "it exists already",
  BadResource: "not a file",
  Busy: "it is in use"
}

/** One line for any error. */
export const describe = (error: unknown): string => {
  if (error instanceof PlatformError) {
    const { reason } = error
    if (reason._tag === "BadArgument") return reason.description ?? reason.message
    const problem = problems[reason._tag] ?? reason.description ?? reason._tag
    return reason.pathOrDescriptor === undefined ? problem : `${reason.pathOrDescriptor}: ${problem}`
  }
  return printable(error instanceof Error ? error.message : String(error), MAX_MESSAGE)
}

const describeCause = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return Cause.hasDies(cause) && !(error instanceof CliFailure)
    ? `internal error: ${describe(error)} (--log-level debug tells more)`
    : describe(error)
}

/** Tells the person why `effect` failed, and leaves nothing but the exit code to the runtime. */
export const reported = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, Reported, R> =>
  Effect.catchCause(effect, (cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
    const error = Cause.squash(cause)
    const exitCode = error instanceof CliFailure ? (error.exitCode ?? 1) : 1
    return Effect.logDebug(cause).pipe(
      Effect.andThen(Console.error(`effect-quic: ${describeCause(cause)}`)),
      Effect.andThen(Effect.fail(new Reported({ exitCode })))
    )
  })

/** Log lines on standard error; causes in one line unless the line is for debugging. */
export const logger: Logger.Logger<unknown, void> = Logger.withConsoleError(
  Logger.make(({ cause, logLevel, message }) => {
    const parts = (Array.isArray(message) ? message : [message]).map((part) =>
      Cause.isCause(part) ? Cause.pretty(part) : typeof part === "string" ? part : JSON.stringify(part)
    )
    if (cause.reasons.length > 0)
      parts.push(logLevel === "Debug" || logLevel === "Trace" ? Cause.pretty(cause) : describeCause(cause))
    return `effect-quic: ${logLevel === "Info" ? "" : logLevel === "Warn" ? "warning: " : `${logLevel.toLowerCase()}: `}${parts.join(": ")}`
  })
)
