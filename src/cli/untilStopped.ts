/** Ends a server in good order: transfers in progress finish. */
import * as Effect from "effect/Effect"
import { Flag } from "effect/cli"
import type { DrainResult } from "../EndpointDrain.ts"
import type { QuicEndpointShape } from "../QuicEndpoint.ts"
import type { QuicError } from "../QuicError.ts"
import { CliHost } from "./CliHost.ts"

export type StopEvent =
  | { readonly event: "draining"; readonly connections: number; readonly seconds: number }
  | ({ readonly event: "drained" } & DrainResult)

const MAX_SECONDS = 86_400

/** `what` may last so long after the command is to stop. */
export const drainFlagFor = (what: string) =>
  Flag.Int("drain").pipe(
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(`How long ${what} after SIGTERM or Ctrl-C (default: 10)`),
    Flag.withDefault(10),
    Flag.filter(
      (seconds) => seconds >= 0 && seconds <= MAX_SECONDS,
      (seconds) => `a number of seconds from 0 to ${MAX_SECONDS}, not ${seconds}`
    )
  )

export const drainFlag = drainFlagFor("transfers may go on")

export const describeStop = (event: StopEvent): string =>
  event.event === "drained"
    ? `Stopped: ${connections(event.finished)} finished, ${event.cutOff} cut off.`
    : `Stopping: ${connections(event.connections)}, at most ${event.seconds} s. Press Ctrl-C again to stop at once.`

const connections = (count: number): string => `${count} connection${count === 1 ? "" : "s"}`

/** Serves until this process is asked to stop, then drains the endpoint for `seconds` at most. */
export const untilStopped = <R>(
  endpoint: QuicEndpointShape,
  serving: Effect.Effect<never, QuicError, R>,
  seconds: number,
  report: (event: StopEvent) => Effect.Effect<void>
): Effect.Effect<void, QuicError, R | CliHost> => {
  const stop = Effect.gen(function* () {
    const { stopRequested } = yield* CliHost
    yield* stopRequested
    yield* report({ event: "draining", connections: yield* endpoint.connectionCount, seconds })
    yield* report({ event: "drained", ...(yield* endpoint.drain(seconds * 1000)) })
  })
  // it ends with the endpoint, before the result is reported
  const served = Effect.catchReason(serving, "QuicError", "EndpointClosed", () => Effect.never)
  return Effect.raceFirst(served, stop)
}
