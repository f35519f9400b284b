/** Logs TLS secrets to the file in `SSLKEYLOGFILE`, for Wireshark. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { KeyLog } from "../../src/capability/KeyLog.ts"
import { appendTo, create, type LogFileError, writing } from "./appendOnly.ts"

/**
 * A key log that appends to `path`, created with owner-only permissions.
 *
 * **Details**
 *
 * Each line is written immediately, so that a running capture can be decrypted. If writing fails, `onFailure` is called
 * once, and connections continue without logging.
 *
 * @category constructors
 * @since 0.1.0
 */
export const toFile = (
  path: string,
  onFailure: (problem: string) => void = () => {}
): ((line: string) => void) => {
  const append = appendTo(path, onFailure)
  return (line) => append(`${line}\n`)
}

/**
 * Logs to the file in `SSLKEYLOGFILE`, if set.
 *
 * **Details**
 *
 * Fails with `LogFileError` if the file cannot be written.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, Config.ConfigError | LogFileError> = Layer.effect(
  KeyLog,
  Effect.gen(function* () {
    const path = yield* Config.option(Config.String("SSLKEYLOGFILE"))
    if (Option.isNone(path) || path.value === "") return undefined
    const file = path.value
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    yield* writing("SSLKEYLOGFILE", file, () => create(file))
    return toFile(file, (problem) => runFork(Effect.logWarning(`SSLKEYLOGFILE: ${problem}`)))
  })
)
