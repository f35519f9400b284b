/** A log of every connection to the directory that `QLOGDIR` names, for qvis and other readers of qlog. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import { Qlog, type QlogShape } from "../../src/capability/Qlog.ts"
import { appendTo, type LogFileError, writing } from "./appendOnly.ts"

/**
 * One `.sqlog` file a connection, open only while it is written to. Throws when the directory cannot be made; when writing
 * fails later, `onFailure` is told, once for each file, and the connection goes on unlogged.
 */
export const toDirectory = (
  directory: string,
  onFailure: (problem: string) => void = () => {}
): QlogShape => {
  makeDirectory(directory)
  fs.accessSync(`${directory}${path.sep}.`, fs.constants.W_OK | fs.constants.X_OK)
  return (name) => appendTo(path.join(directory, `${name}.sqlog`), onFailure)
}

/** Not `{ recursive: true }`: where no directory can be made, in `/proc` for one, Node then tries for ever. */
const makeDirectory = (directory: string): void => {
  if (fs.existsSync(directory)) return
  const parent = path.dirname(directory)
  if (parent !== directory) makeDirectory(parent)
  fs.mkdirSync(directory)
}

/** Logs where `QLOGDIR` says, and nowhere when it is not set. Fails when that directory cannot be written. */
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
