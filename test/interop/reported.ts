/** What a program of `programs/` says it has done: a line of JSON each, until it ends or its time is over. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ChildProcess } from "effect/process"

export interface Reported {
  readonly event: string
}

interface Failed extends Reported {
  readonly reason?: string
}

/** All that has happened, and why the rest has not. */
export const reportedBy = <Happened extends Reported>(
  program: string,
  timeout: "60 seconds" | "120 seconds"
) =>
  Effect.gen(function* () {
    const happened: Array<Happened & Failed> = []
    const path = new URL(`programs/${program}.ts`, import.meta.url).pathname
    const process = yield* ChildProcess.make(globalThis.process.execPath, ["--no-warnings", path], {
      stdin: { stream: "pipe", endOnDone: false },
      stderr: "inherit"
    })
    yield* process.stdout.pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.runForEach((line) => Effect.sync(() => void happened.push(JSON.parse(line)))),
      Effect.timeoutOption(timeout)
    )
    const failure = happened.find(({ event }) => event === "failed")?.reason ?? "it was not finished in time"
    return { happened, failure }
  }).pipe(Effect.scoped)
