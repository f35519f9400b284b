/** Runs the system's network tools, one at a time. */
import { spawnSync } from "node:child_process"

/** What went wrong with a command, in the words it printed. */
export class CommandFailed extends Error {
  /** Not installed, as opposed to refused. */
  readonly isMissing: boolean

  constructor(commandLine: string, problem: string, isMissing: boolean) {
    super(isMissing ? `${commandLine.split(" ")[0]} is not installed` : `${commandLine}: ${problem}`)
    this.isMissing = isMissing
  }
}

/** Returns what the command prints, and throws `CommandFailed` unless it exits with 0. */
export const run = (commandLine: string, input = ""): string => {
  const [command, ...args] = commandLine.split(" ")
  const { error, status, stdout, stderr } = spawnSync(command, args, { input, encoding: "utf8" })
  if (error !== undefined) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT"
    throw new CommandFailed(commandLine, error.message, isMissing)
  }
  if (status !== 0) throw new CommandFailed(commandLine, stderr.trim().split("\n")[0], false)
  return stdout
}

/** The same, where it does not matter whether it works. */
export const tryRun = (commandLine: string): string => {
  try {
    return run(commandLine)
  } catch {
    return ""
  }
}
