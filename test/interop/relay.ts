/** Two of iroh's endpoints through our relay: they connect by their keys, go direct, and survive its restart. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ChildProcess } from "effect/process"
import type { Row } from "./matrix.ts"

const program = new URL("programs/throughRelay.ts", import.meta.url).pathname

/** The slowest step, the reconnection of iroh's clients, takes a few seconds. */
const TIMEOUT = "60 seconds"

interface Happened {
  readonly event: string
  readonly millis?: number
  readonly forwardedBytes?: number
  readonly reason?: string
}

const steps: ReadonlyArray<{
  readonly case: string
  readonly event: string
  readonly note: (happened: Happened) => string
}> = [
  {
    case: "relayed",
    event: "direct",
    note: ({ millis, forwardedBytes }) =>
      `1 MB there and back, ${forwardedBytes} bytes by the relay, direct after ${millis} ms at most`
  },
  { case: "restart", event: "back", note: () => "both came back, and a third sent one of them 1 MB" }
]

export const relayPeer = "iroh-relay"

export const relaysStrangers = Effect.gen(function* () {
  const happened: Array<Happened> = []
  const process = yield* ChildProcess.make(globalThis.process.execPath, ["--no-warnings", program], {
    stdin: { stream: "pipe", endOnDone: false },
    stderr: "inherit"
  })
  yield* process.stdout.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEach((line) => Effect.sync(() => void happened.push(JSON.parse(line)))),
    Effect.timeoutOption(TIMEOUT)
  )
  const failed = happened.find(({ event }) => event === "failed")?.reason ?? "it was not finished in time"
  return steps.map(({ case: name, event, note }): Row => {
    const found = happened.find((one) => one.event === event)
    const row = { peer: relayPeer, role: "server", case: name } as const
    return found === undefined
      ? { ...row, result: "fail", reason: failed }
      : { ...row, result: "pass", reason: note(found) }
  })
}).pipe(Effect.scoped)
