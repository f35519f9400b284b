/** A program of ours in a namespace, which prints events as lines of JSON and reads commands as lines. */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const keptErrors = 2000

export class Child {
  private readonly process: ChildProcessByStdio<Writable, Readable, Readable>
  private readonly lines: AsyncIterator<string>
  private errors = ""

  private constructor(namespace: string, program: string, args: ReadonlyArray<string>) {
    const file = fileURLToPath(new URL(program, import.meta.url))
    const command = ["netns", "exec", namespace, process.execPath, "--no-warnings", file, ...args]
    this.process = spawn("ip", command, { stdio: ["pipe", "pipe", "pipe"] })
    this.process.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.errors = (this.errors + text).slice(-keptErrors)
    })
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
  }

  /** Runs until the scope closes, which kills it. */
  static readonly start = (
    namespace: string,
    program: string,
    ...args: ReadonlyArray<string>
  ): Effect.Effect<Child, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => new Child(namespace, program, args)),
      (child) => Effect.promise(() => child.stop())
    )

  /** The next event of this name; what comes before is given to `onOther`. Fails when the program ends. */
  next<Event extends object>(
    name: string,
    onOther: (event: object) => void = () => {}
  ): Effect.Effect<Event, Error> {
    const read = async (): Promise<Event> => {
      for (;;) {
        const { done, value } = await this.lines.next()
        if (done === true) throw new Error(`it ended before ${name}: ${this.errors}`)
        const event = JSON.parse(value) as Event & { readonly event: string }
        if (event.event === name) return event
        onOther(event)
      }
    }
    return Effect.tryPromise({ try: read, catch: (error) => error as Error })
  }

  tell(line: string): void {
    this.process.stdin.write(`${line}\n`)
  }

  private async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exited = once(this.process, "exit")
    this.process.kill("SIGKILL")
    await exited
  }
}
