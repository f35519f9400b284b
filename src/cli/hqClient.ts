/** Downloads files, several concurrently over one connection. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicError } from "../QuicError.ts"
import { CliHost } from "./CliHost.ts"
import { encodeRequest, refusalText } from "./hqRequest.ts"
import type { HqTarget } from "./hqTarget.ts"
import { CliFailure } from "./report.ts"

const BUFFER_BYTES = 65_536

export interface Download {
  readonly target: HqTarget
  readonly file: string
  readonly bytes: number
  readonly millis: number
  readonly sha256: string
}

const describeFailure =
  (target: HqTarget) =>
  (error: QuicError): QuicError | CliFailure =>
    error.reason._tag === "StreamReset"
      ? new CliFailure({ message: `${target.url}: ${refusalText(error.reason.code)}` })
      : error

/**
 * Writes the response to a file in `directory`. The file has a temporary name until it is complete, so that one with the
 * final name is never partial.
 */
export const download = Effect.fnUntraced(function* (
  connection: QuicConnection,
  target: HqTarget,
  directory: string,
  onBytes: (count: number) => void
): Effect.fn.Return<
  Download,
  QuicError | CliFailure | PlatformError,
  FileSystem.FileSystem | Path.Path | CliHost
> {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const host = yield* CliHost
  const file = paths.join(directory, target.fileName)
  const partial = `${file}.part`
  const startedAt = host.monotonicMillis()
  const digest = host.sha256()
  let total = 0
  const transfer = Effect.gen(function* () {
    const stream = yield* connection.openBidi
    yield* stream.write(encodeRequest(target.path))
    yield* stream.finish
    const buffer = new Uint8Array(BUFFER_BYTES)
    // the file is opened once the server has answered
    let count = yield* stream.readInto(buffer)
    const output = yield* fs.open(partial, { flag: "w" })
    for (; count !== undefined; count = yield* stream.readInto(buffer)) {
      const bytes = buffer.subarray(0, count)
      total += count
      onBytes(count)
      digest.update(bytes)
      yield* output.writeAll(bytes)
    }
  }).pipe(
    Effect.scoped,
    Effect.onError(() => Effect.ignore(fs.remove(partial, { force: true }))),
    Effect.catchTag("QuicError", (error) => Effect.fail(describeFailure(target)(error)))
  )
  yield* transfer
  yield* fs.rename(partial, file)
  const millis = host.monotonicMillis() - startedAt
  return { target, file, bytes: total, millis, sha256: digest.hex() }
})

/** Groups the targets by server, in the order given. */
export const byServer = (targets: ReadonlyArray<HqTarget>): ReadonlyArray<ReadonlyArray<HqTarget>> => [
  ...Map.groupBy(targets, ({ host, port }) => `${host} ${port}`).values()
]
