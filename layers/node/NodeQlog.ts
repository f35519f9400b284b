/** Writes a qlog of every connection to the directory in `QLOGDIR`, for qvis and other tools. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import { Qlog, type QlogShape } from "../../src/capability/Qlog.ts"
import { appendTo, type LogFileError, writing } from "./appendOnly.ts"

/**
 * A qlog writer with one `.sqlog` file per connection, open only during writes.
 *
 * **Details**
 *
 * Throws if the directory cannot be created. If writing fails later, `onFailure` is called once per file, and the
 * connection continues without logging.
 *
 * @category constructors
 * @since 0.1.0
 */
export const toDirectory = (
  directory: string,
  onFailure: (problem: string) => void = () => {}
): QlogShape => {
  makeDirectory(directory)
  fs.accessSync(`${directory}${path.sep}.`, fs.constants.W_OK | fs.constants.X_OK)
  return (name) => appendTo(path.join(directory, `${name}.sqlog`), onFailure)
}

/** Not `{ recursive: true }`, with which Node loops forever where no directory can be created, such as in `/proc`. */
const makeDirectory = (directory: string): void => {
  if (fs.existsSync(directory)) return
  const parent = path.dirname(directory)
  if (parent !== directory) makeDirectory(parent)
  fs.mkdirSync(directory)
}

/**
 * Logs to the directory in `QLOGDIR`, if set.
 *
 * **Details**
 *
 * Fails with `LogFileError` if the directory cannot be written.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, Config.ConfigError | LogFileError> = Layer.effect(
  Qlog,
  Effect.gen(function* () {
    const directory = yield* Config.option(Config.String("QLOGDIR"))
    if (Option.isNone(directory) || directory.value === "") return undefined
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const onFailure = (problem: string) => void runFork(Effect.logWarning(`QLOGDIR: ${problem}`))
    return yield* writing("QLOGDIR", directory.value, () => toDirectory(directory.value, onFailure))
  })
)
