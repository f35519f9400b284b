/** A running peer program: its events, and the end of its stderr for failure reports. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessHandle, ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { InteropFailure, type Received, type Seen, type Task } from "./Peer.ts"
import type { ProgramEvent, Progress } from "./programs/program.ts"
import { type StreamReceived, combineStreams } from "./Receipt.ts"

/** Characters of stderr kept for a failure report. */
const tailLength = 2_000
/** Characters shown of a command line, which may have a thousand arguments. */
const commandLength = 1_000

export class PeerProcess {
  private readonly handle: ChildProcessHandle
  private readonly commandLine: string
  private readonly nextLines: Pull.Pull<ReadonlyArray<string>, unknown>
  private lines: Array<string> = []
  private tail = ""
  private seen: Seen = {}
  private onProgress: ((progress: Progress) => void) | undefined

  private constructor(
    handle: ChildProcessHandle,
    commandLine: string,
    nextLines: Pull.Pull<ReadonlyArray<string>, unknown>
  ) {
    this.handle = handle
    this.commandLine = commandLine
    this.nextLines = nextLines
  }

  /** Runs until the scope closes, which kills it. */
  static readonly start = Effect.fnUntraced(function* (
    command: string,
    args: ReadonlyArray<string>
  ): Effect.fn.Return<PeerProcess, InteropFailure, ChildProcessSpawner | Scope.Scope> {
    const commandLine = [command, ...args].join(" ")
    const handle = yield* Effect.mapError(
      ChildProcess.make(command, args, {
        extendEnv: true,
        killSignal: "SIGKILL",
        stdin: { stream: "pipe", endOnDone: false }
      }),
      (error) => new InteropFailure({ reason: `cannot run ${command}: ${error.message}` })
    )
    const lines = yield* Stream.toPull(handle.stdout.pipe(Stream.decodeText(), Stream.splitLines))
    const process = new PeerProcess(handle, commandLine, lines)
    yield* handle.stderr.pipe(
      Stream.decodeText(),
      Stream.runForEach((text) =>
        Effect.sync(() => {
          process.tail = (process.tail + text).slice(-tailLength)
        })
      ),
      Effect.ignore,
      Effect.forkScoped
    )
    return process
  })

  get pid(): number {
    return this.handle.pid
  }

  /** Writes one line to the program's stdin. */
  tell(line: string): Effect.Effect<void, InteropFailure> {
    const bytes = Stream.encodeText(Stream.make(`${line}\n`))
    return Effect.mapError(Stream.run(bytes, this.handle.stdin), ({ message }) => this.failure(message))
  }

  /** Reports the progress that the program prints while one of its other events is awaited. */
  watch(onProgress: (progress: Progress) => void): void {
    this.onProgress = onProgress
  }

  /** Waits for the program to exit. */
  get exitCode(): Effect.Effect<number, InteropFailure> {
    return Effect.mapError(this.handle.exitCode, (error) => this.failure(error.message))
  }

  /** The next event of that kind on stdout; fails if the program reports a failure or ends first. */
  private next<Name extends ProgramEvent["event"]>(
    name: Name
  ): Effect.Effect<Extract<ProgramEvent, { event: Name }>, InteropFailure> {
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        while (this.lines.length > 0) {
          const event: ProgramEvent = JSON.parse(this.lines.shift()!)
          if (event.event === name) return event as Extract<ProgramEvent, { event: Name }>
          if (event.event === "seen") {
            const { event: _, ...seen } = event
            this.seen = { ...this.seen, ...seen }
          }
          if (event.event === "progress") this.onProgress?.(event)
          if (event.event === "failed") return yield* this.failure(event.reason)
        }
        this.lines = [
          ...(yield* this.nextLines.pipe(
            Pull.catchDone(() => this.failure(`ended before it was ${name}`)),
            Effect.catchCause((cause) => {
              const error = Cause.squash(cause)
              return error instanceof InteropFailure ? error : this.failure(String(error))
            })
          ))
        ]
      }
    })
  }

  /** The server's port, once it is listening. */
  get port(): Effect.Effect<number, InteropFailure> {
    return Effect.map(this.next("listening"), ({ port }) => port)
  }

  /** What the program received over all streams of the task. */
  received({ streams = 1, comeBack }: Task): Effect.Effect<Received, InteropFailure> {
    return Effect.gen({ self: this }, function* () {
      const expected = streams * (comeBack === undefined ? 1 : 2)
      const received: Array<StreamReceived> = []
      while (received.length < expected) received.push(yield* this.next("received"))
      return { ...combineStreams(received), seen: this.seen }
    })
  }

  failure(reason: string): InteropFailure {
    const [first] = reason.split("\n")
    return new InteropFailure({
      reason: first,
      detail: `$ ${this.commandLine.slice(0, commandLength)}\n${this.tail.trimEnd() || "(nothing on stderr)"}`
    })
  }
}
