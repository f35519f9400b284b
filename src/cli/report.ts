/** Error reporting: one line and an exit code. Full details with `--log-level debug`. */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { PlatformError } from "effect/PlatformError"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { ExitCode, exitCodeOf } from "./exitCodes.ts"
import { printable, printableJson, withoutControls } from "../internal/printable.ts"

/** A failure with a message for the user. */
export class CliFailure extends Schema.TaggedError<CliFailure>()("CliFailure", {
  message: Schema.String,
  exitCode: Schema.optionalKey(Schema.Int)
}) {}

/** A failure already reported to the user. */
export class Reported extends Schema.TaggedError<Reported>()("Reported", { exitCode: Schema.Int }) {
  override readonly [Runtime.errorReported] = false
  override get message(): string {
    return "it has said why"
  }
  override get [Runtime.errorExitCode](): number {
    return this.exitCode
  }
}

/** What is wrong with the command line. */
export const misused = (message: string): Effect.Effect<never, CliFailure> => fail(message, ExitCode.usage)

export const fail = (
  message: string,
  exitCode: number = ExitCode.failure
): Effect.Effect<never, CliFailure> => Effect.fail(new CliFailure({ message, exitCode }))

/** Messages contain file names and addresses and may take a few lines of a terminal. */
const MAX_MESSAGE = 500

const problems: Record<string, string> = {
  NotFound: "no such file or directory",
  PermissionDenied: "permission denied",
  AlreadyExists: "already exists",
  BadResource: "not a file",
  Busy: "in use"
}

/** A one-line description of any error. */
export const describe = (error: unknown): string => {
  if (error instanceof PlatformError) {
    const { reason } = error
    if (reason._tag === "BadArgument") return printable(reason.description ?? reason.message, MAX_MESSAGE)
    const problem = problems[reason._tag] ?? reason.description ?? reason._tag
    const text = reason.pathOrDescriptor === undefined ? problem : `${reason.pathOrDescriptor}: ${problem}`
    return printable(text, MAX_MESSAGE)
  }
  return printable(error instanceof Error ? error.message : String(error), MAX_MESSAGE)
}

const describeCause = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return Cause.hasDies(cause) && !(error instanceof CliFailure)
    ? `internal error: ${describe(error)} (--log-level debug for details)`
    : describe(error)
}

const codeOf = (error: unknown): number =>
  error instanceof CliFailure ? (error.exitCode ?? ExitCode.failure) : exitCodeOf(error)

/** Prints each of `errors` once; fails with the exit code of the first. */
export const reportAll = (errors: ReadonlyArray<unknown>): Effect.Effect<void, Reported> => {
  if (errors.length === 0) return Effect.void
  const lines = new Set(errors.map((error) => `effect-quic: ${describe(error)}`))
  return Effect.andThen(
    Effect.forEach(lines, (line) => Console.error(line), { discard: true }),
    Effect.fail(new Reported({ exitCode: codeOf(errors[0]) }))
  )
}

/** Prints why `effect` failed, and leaves only the exit code to the runtime. */
export const reported = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, Reported, R> =>
  Effect.catchCause(effect, (cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
    const error = Cause.squash(cause)
    if (error instanceof Reported) return Effect.fail(error)
    return Effect.logDebug(cause).pipe(
      Effect.andThen(Console.error(`effect-quic: ${describeCause(cause)}`)),
      Effect.andThen(Effect.fail(new Reported({ exitCode: codeOf(error) })))
    )
  })

/** Where errors come from, on lines of their own, which are indented so that no message can forge a line. */
const pretty = (cause: Cause.Cause<unknown>): string =>
  Cause.pretty(cause).split("\n").map(withoutControls).join("\n    ")

const partText = (part: unknown): string =>
  Cause.isCause(part)
    ? pretty(part)
    : typeof part === "string"
      ? printable(part, MAX_MESSAGE)
      : part instanceof Error
        ? describe(part)
        : printableJson(part)

/** One record as it is printed; causes take one line except at debug levels. */
export const formatted: Logger.Logger<unknown, string> = Logger.make(({ cause, logLevel, message }) => {
  const parts = (Array.isArray(message) ? message : [message]).map(partText)
  if (cause.reasons.length > 0)
    parts.push(logLevel === "Debug" || logLevel === "Trace" ? pretty(cause) : describeCause(cause))
  return `effect-quic: ${logLevel === "Info" ? "" : logLevel === "Warn" ? "warning: " : `${logLevel.toLowerCase()}: `}${parts.join(": ")}`
})

/** Logs to standard error. */
export const logger: Logger.Logger<unknown, void> = Logger.withConsoleError(formatted)
