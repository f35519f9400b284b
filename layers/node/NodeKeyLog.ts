/** TLS secrets to the file that `SSLKEYLOGFILE` names, for Wireshark. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import { KeyLog } from "../../src/capability/KeyLog.ts"

/** Appends to `path`; each line is written at once, so that a capture can be read while it runs. */
export const toFile =
  (path: string): ((line: string) => void) =>
  (line) =>
    fs.appendFileSync(path, `${line}\n`)

/** Logs where `SSLKEYLOGFILE` says, and nowhere when it is not set. */
export const layer: Layer.Layer<never, Config.ConfigError> = Layer.effect(
  KeyLog,
  Effect.gen(function* () {
    const path = yield* Config.option(Config.String("SSLKEYLOGFILE"))
    return Option.isSome(path) && path.value !== "" ? toFile(path.value) : undefined
  })
)
