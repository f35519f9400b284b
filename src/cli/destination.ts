/** Where a download goes: a file, a device or a pipe, or standard output. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { ExitCode } from "./exitCodes.ts"
import { type CliFailure, fail } from "./report.ts"

type Write = (bytes: Uint8Array) => Effect.Effect<void, PlatformError>

export interface Destination {
  /** As it is shown. */
  readonly name: string
  /** What is written may change as soon as it returns. */
  readonly open: Effect.Effect<Write, PlatformError | CliFailure, Scope.Scope>
  /** Once everything is written and the scope of `open` is closed. */
  readonly finish: Effect.Effect<void, PlatformError | CliFailure>
  /** Removes what `open` has made. */
  readonly discard: Effect.Effect<void>
}

const inTheWay = (file: string) => fail(`${file} is there already; --force replaces it`, ExitCode.file)

/** A file has a temporary name until it is complete, so that one with the final name is never partial. */
export const toFile = (fs: FileSystem.FileSystem, file: string, mayReplace: boolean): Destination => {
  const partial = `${file}.part`
  let isOurs = false
  const remove = Effect.ignore(fs.remove(partial, { force: true }))
  const discard = Effect.suspend(() => (isOurs ? remove : Effect.void))
  const refuseExisting = Effect.flatMap(fs.exists(file), (exists) => (exists ? inTheWay(file) : Effect.void))
  return {
    name: file,
    open: Effect.gen(function* () {
      if (mayReplace) yield* remove
      // not opened if it exists: it may belong to another process, or be a link to elsewhere
      const output = yield* Effect.catch(
        fs.open(partial, { flag: "wx" }),
        (error): Effect.Effect<never, PlatformError | CliFailure> =>
          error.reason._tag === "AlreadyExists" ? inTheWay(partial) : Effect.fail(error)
      )
      isOurs = true
      return (bytes: Uint8Array) => output.writeAll(bytes)
    }),
    finish: mayReplace
      ? fs.rename(partial, file)
      : Effect.catch(Effect.andThen(fs.link(partial, file), remove), (error) =>
          error.reason._tag === "AlreadyExists"
            ? inTheWay(file)
            : // not every file system has links
              Effect.andThen(refuseExisting, fs.rename(partial, file))
        ),
    discard
  }
}

/** `/dev/null` and named pipes are written to: they cannot be replaced by a file. */
const toDevice = (fs: FileSystem.FileSystem, file: string): Destination => ({
  name: file,
  open: Effect.map(fs.open(file, { flag: "w" }), (device) => (bytes) => device.writeAll(bytes)),
  finish: Effect.void,
  discard: Effect.void
})

const toOutput = (stdio: Stdio.Stdio, name: string): Destination => ({
  name,
  // a copy, as a pipe may be slower than the network
  open: Effect.succeed((bytes) => Stream.run(Stream.make(bytes.slice()), stdio.stdout({ endOnDone: false }))),
  finish: Effect.void,
  discard: Effect.void
})

/**
 * What `-o OUTPUT` means for a file called `fileName`: standard output for `-`; within OUTPUT if that is a directory, ends
 * like one, or is for several files; otherwise OUTPUT itself. Fails if something is there that must not be replaced.
 */
export const destinationOf = Effect.fnUntraced(function* (
  output: string,
  fileName: string,
  { force, isOneOfSeveral }: { readonly force: boolean; readonly isOneOfSeveral: boolean }
) {
  if (output === "-") return toOutput(yield* Stdio.Stdio, fileName)
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const typeOf = (path: string) =>
    Effect.map(
      Effect.option(fs.stat(path)),
      Option.map(({ type }) => type)
    )
  const isDirectory =
    isOneOfSeveral || /[/\\]$/.test(output) || Option.contains(yield* typeOf(output), "Directory")
  const file = isDirectory ? paths.join(output, fileName) : output
  const type = Option.getOrUndefined(yield* typeOf(file))
  if (type === "Directory") return yield* fail(`${file} is a directory`, ExitCode.file)
  if (type !== undefined && type !== "File") return toDevice(fs, file)
  if (type === "File" && !force) return yield* inTheWay(file)
  yield* fs.makeDirectory(paths.dirname(file), { recursive: true })
  return toFile(fs, file, force)
})
