/**
 * Network namespaces that leave nothing behind.
 *
 * Their names carry the process that made them. What a scope could not remove goes when the process exits, and what a
 * killed process left goes when the next one begins.
 */
import { existsSync, readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { run, tryRun } from "./commands.ts"

const prefix = "effect-quic-"
const owned = new RegExp(`^${prefix}(\\d+)-`)

/** A process has one network at a time. */
export const namespaceName = (host: string): string => `${prefix}${process.pid}-${host}`

/** The namespaces of this system that carry our prefix, with the process in their name. */
const list = (): ReadonlyArray<{ readonly name: string; readonly pid: number }> =>
  tryRun("ip netns list")
    .split("\n")
    .map((line) => line.split(" ")[0])
    .flatMap((name) => {
      const pid = owned.exec(name)?.[1]
      return pid === undefined ? [] : [{ name, pid: Number(pid) }]
    })

/** Ends what still runs in the namespace, which would keep it alive, and removes it. */
const remove = (name: string): void => {
  for (const pid of tryRun(`ip netns pids ${name}`).split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL")
    } catch {
      // it ended meanwhile
    }
  }
  tryRun(`ip netns del ${name}`)
}

const isRunning = (pid: number): boolean => {
  const commandLine = `/proc/${pid}/cmdline`
  try {
    // the system may have given the number to somebody else
    return existsSync(commandLine) && /(netns|bench)\//.test(readFileSync(commandLine, "utf8"))
  } catch {
    return false
  }
}

/** Removes what earlier processes left, and sees to what this one will. */
export const sweep = (): void => {
  for (const { name, pid } of list()) if (!isRunning(pid)) remove(name)
  process.on("exit", () => {
    for (const { name, pid } of list()) if (pid === process.pid) remove(name)
  })
}

/** Makes a namespace whose loopback is up; it goes with the scope. */
export const namespace = (name: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      run(`ip netns add ${name}`)
      run(`ip -n ${name} link set lo up`)
    }),
    () => Effect.sync(() => remove(name))
  )
