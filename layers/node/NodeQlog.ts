/** A log of every connection to the directory that `QLOGDIR` names, for qvis and other readers of qlog. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import { Qlog, type QlogShape } from "../../src/capability/Qlog.ts"

/** One `.sqlog` file a connection, open only while it is written to. */
export const toDirectory = (directory: string): QlogShape => {
  fs.mkdirSync(directory, { recursive: true })
  return (name) => {
    const file = path.join(directory, `${name}.sqlog`)
    return (records) => fs.appendFileSync(file, records)
  }
}

/** Logs where `QLOGDIR` says, and nowhere when it is not set. */
export const layer: Layer.Layer<never, Config.ConfigError> = Layer.effect(
  Qlog,
  Effect.gen(function* () {
    const directory = yield* Config.option(Config.String("QLOGDIR"))
    return Option.isSome(directory) && directory.value !== "" ? toDirectory(directory.value) : undefined
  })
)
