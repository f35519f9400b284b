/** An endpoint of iroh's and one of ours, which dial each other by key through our relay, and exchange 10 MB. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ChildProcess } from "effect/process"
import type { Row } from "./matrix.ts"

const program = new URL("programs/dialed.ts", import.meta.url).pathname
const TIMEOUT = "120 seconds"

interface Happened {
  readonly event: string
  readonly note?: string
  readonly reason?: string
}

export const dialedPeer = "iroh-dialed"

const cases = [
  { event: "weDial", role: "client" },
  { event: "irohDials", role: "server" }
] as const

export const dialsStrangers = Effect.gen(function* () {
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
  return cases.map(({ event, role }): Row => {
    const found = happened.find((one) => one.event === event)
    const row = { peer: dialedPeer, role, case: "dialed" } as const
    return found === undefined
      ? { ...row, result: "fail", reason: failed }
      : { ...row, result: "pass", reason: `10 MB there and back, at the end ${found.note}` }
  })
}).pipe(Effect.scoped)
