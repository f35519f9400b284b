/** Runs the command line as users do, in a separate process. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"

const bin = new URL("../../layers/node/bin.ts", import.meta.url).pathname

export interface Finished {
  /** The exit code, or the name of the signal that killed it. */
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
  readonly millis: number
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Record<string, string>
  /** For node itself. */
  readonly flags?: ReadonlyArray<string>
}

export class RunningCli {
  readonly process: ChildProcess
  readonly finished: Promise<Finished>
  stdout = ""
  stderr = ""
  private readonly waiting = new Set<() => void>()

  constructor(args: ReadonlyArray<string>, options: RunOptions) {
    const startedAt = performance.now()
    // without the machine's environment, such as NO_COLOR or another test's SSLKEYLOGFILE
    const { PATH = "", HOME = "", EFFECT_QUIC_IO = "" } = process.env
    this.process = spawn(process.execPath, [...(options.flags ?? []), bin, ...args], {
      cwd: options.cwd,
      env: { PATH, HOME, EFFECT_QUIC_IO, ...options.env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    this.process.stdout!.on("data", (bytes) => {
      this.stdout += bytes
      for (const look of this.waiting) look()
    })
    this.process.stderr!.on("data", (bytes) => {
      this.stderr += bytes
    })
    this.finished = new Promise((resolve) => {
      this.process.once("close", (code, signal) => {
        for (const look of this.waiting) look()
        resolve({
          code: code ?? signal!,
          stdout: this.stdout,
          stderr: this.stderr,
          millis: performance.now() - startedAt
        })
      })
    })
  }

  /** Waits until standard output matches; rejects if the process exits first. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.stdout)
        if (match === null && this.process.exitCode === null && this.process.signalCode === null) return
        this.waiting.delete(look)
        if (match !== null) resolve(match)
        else reject(new Error(`exited without printing ${pattern}: ${this.stdout}${this.stderr}`))
      }
      this.waiting.add(look)
      look()
    })
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }
}

/** Starts the command line; it is killed at the end of the test. */
export const startCli = (args: ReadonlyArray<string>, options: RunOptions = {}): RunningCli => {
  const cli = new RunningCli(args, options)
  // a hook of this module would be registered for the first of the files that share it
  onTestFinished(async () => {
    cli.kill("SIGKILL")
    await cli.finished
  })
  return cli
}

export const runCli = (args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Finished> =>
  startCli(args, options).finished

/** Serves `directory` on a free port of 127.0.0.1. */
export const startServe = async (directory: string, ...args: ReadonlyArray<string>) => {
  const server = startCli(["serve", directory, "--host", "127.0.0.1", "--port", "0", ...args])
  const [, port] = await server.printed(/127\.0\.0\.1:(\d+)\./)
  const [, fingerprint] = await server.printed(/sha256:([0-9a-f]{64})/)
  return {
    server,
    port: Number(port),
    fingerprint,
    url: (path: string) => `https://localhost:${port}/${path}`
  }
}

/** A directory that is deleted after the test. */
export const scratch = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "effect-quic-test-"))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Whether a process is running; zombies are not. */
export const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

/** Waits until `condition` holds; returns whether it ever did. */
export const eventually = async (condition: () => boolean, millis = 10_000): Promise<boolean> => {
  for (const giveUpAt = performance.now() + millis; performance.now() < giveUpAt; ) {
    if (condition()) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return condition()
}
