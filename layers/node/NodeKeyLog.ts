/** TLS secrets to the file that `SSLKEYLOGFILE` names, for Wireshark. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { KeyLog } from "../../src/capability/KeyLog.ts"
import { appendTo, create, type LogFileError, writing } from "./appendOnly.ts"

/**
 * Appends to `path`, which is made readable for its owner alone; each line is written at once, so that a capture can be
 * read while it runs. When writing fails, `onFailure` is told, once, and connections go on unlogged.
 */
export const toFile = (
  path: string,
  onFailure: (problem: string) => void = () => {}
): ((line: string) => void) => {
  const append = appendTo(path, onFailure)
  return (line) => append(`${line}\n`)
}

/** Logs where `SSLKEYLOGFILE` says, and nowhere when it is not set. Fails when that file cannot be written. */
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
