/** Downloads files, several concurrently over one connection. */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicError } from "../QuicError.ts"
import { CliHost } from "./CliHost.ts"
import type { Destination } from "./destination.ts"
import { ExitCode } from "./exitCodes.ts"
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
      ? new CliFailure({
          message: `${target.url}: ${refusalText(error.reason.code)}`,
          exitCode: ExitCode.refused
        })
      : error

/** Writes the response to `to`, which is opened once the server has answered. */
export const download = Effect.fnUntraced(function* (
  connection: QuicConnection,
  target: HqTarget,
  to: Destination,
  onBytes: (count: number) => void
): Effect.fn.Return<Download, QuicError | CliFailure | PlatformError, CliHost> {
  const host = yield* CliHost
  const startedAt = host.monotonicMillis()
  const digest = host.sha256()
  let total = 0
  const transfer = Effect.gen(function* () {
    const stream = yield* connection.openBidi
    yield* stream.write(encodeRequest(target.path))
    yield* stream.finish
    const buffer = new Uint8Array(BUFFER_BYTES)
    let count = yield* stream.readInto(buffer)
    const write = yield* to.open
    for (; count !== undefined; count = yield* stream.readInto(buffer)) {
      const bytes = buffer.subarray(0, count)
      total += count
      onBytes(count)
      digest.update(bytes)
      yield* write(bytes)
    }
  }).pipe(
    Effect.scoped,
    Effect.catchTag("QuicError", (error) => Effect.fail(describeFailure(target)(error)))
  )
  yield* Effect.andThen(transfer, to.finish).pipe(Effect.onError(() => to.discard))
  const millis = host.monotonicMillis() - startedAt
  return { target, file: to.name, bytes: total, millis, sha256: digest.hex() }
})

/** What files that share a connection have in common. */
export const serverOf = ({ host, port }: HqTarget): string => `${host} ${port}`

/** Groups the targets by server, in the order given. */
export const byServer = (targets: ReadonlyArray<HqTarget>): ReadonlyArray<ReadonlyArray<HqTarget>> => [
  ...Map.groupBy(targets, serverOf).values()
]
