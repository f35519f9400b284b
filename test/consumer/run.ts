/** Runs a program to its end, and says what it printed. */
import { execFile } from "node:child_process"

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd: string
  readonly timeoutMillis?: number
  /** In front of the caller's PATH. */
  readonly path?: string
}

export const run = (
  program: string,
  args: ReadonlyArray<string>,
  { cwd, timeoutMillis = 120_000, path }: RunOptions
): Promise<Outcome> =>
  new Promise((resolve) => {
    const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" }
    if (path !== undefined) env.PATH = `${path}:${env.PATH}`
    const options = { cwd, env, timeout: timeoutMillis, maxBuffer: 32 << 20 }
    execFile(program, args, options, (error, stdout, stderr) => {
      const late = error?.killed === true ? `\nstill running after ${timeoutMillis / 1000} s` : ""
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      const missing = error !== null && typeof error.code === "string" ? `\n${error.message}` : ""
      resolve({ code, stdout, stderr: stderr + late + missing })
    })
  })

/** Fails with what the program printed unless it ended with 0. */
export const succeed = async (
  program: string,
  args: ReadonlyArray<string>,
  options: RunOptions
): Promise<string> => {
  const { code, stdout, stderr } = await run(program, args, options)
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`)
  return stdout
}
