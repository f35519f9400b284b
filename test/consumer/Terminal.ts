/** A terminal in which somebody types: windows of a tmux of its own, and what is on them. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { succeed } from "./run.ts"

/** What a window shows of one command. */
export interface Shown {
  /** Undefined while it runs. */
  readonly code: number | undefined
  readonly output: string
}

export interface TerminalOptions {
  readonly cwd: string
  /** In front of the caller's PATH. */
  readonly path: string
  readonly environment: Readonly<Record<string, string>>
}

const prompt = /exit (\d+) > /

export class Terminal {
  readonly #server = `effect-quic-${process.pid}`
  readonly #options: TerminalOptions
  #windows = 0

  constructor(options: TerminalOptions) {
    this.#options = options
  }

  #tmux(...args: ReadonlyArray<string>): Promise<string> {
    const { cwd, path } = this.#options
    // a new shell has the PATH of the tmux that asks for it, whatever `-e` says
    return succeed("tmux", ["-L", this.#server, "-f", "/dev/null", ...args], { cwd, path })
  }

  /** Opens a window of 80 columns with a shell in it, and says which it is. */
  async open(): Promise<string> {
    const window = this.#windows++
    const { cwd, environment } = this.#options
    const variables = Object.entries({ ...environment, PS1: "exit $? > " }).flatMap(([name, value]) => [
      "-e",
      `${name}=${value}`
    ])
    const size = window === 0 ? ["-s", "path", "-x", "80", "-y", "24"] : ["-t", `path:${window}`]
    const open = window === 0 ? "new-session" : "new-window"
    await this.#tmux(open, "-d", ...size, "-c", cwd, ...variables, "bash", "--norc", "--noprofile")
    const target = `path:${window}`
    await this.#until(target, async () => (await this.last(target)).code !== undefined)
    return target
  }

  /** What the last command has shown so far. */
  async last(window: string): Promise<Shown> {
    const screen = (await this.#tmux("capture-pane", "-p", "-J", "-S", "-", "-t", window)).trimEnd()
    const parts = `${screen} `.split(prompt)
    const isOver = parts.at(-1)!.trim() === ""
    const [typed = "", ...lines] = (parts.at(isOver ? -3 : -1) ?? "").split("\n")
    return { code: isOver ? Number(parts.at(-2)) : undefined, output: typed === "" ? "" : lines.join("\n") }
  }

  /** Types a command, and waits until it is over, or shows `awaited`. */
  async type(window: string, command: string, awaited?: string): Promise<Shown> {
    await this.#tmux("send-keys", "-t", window, "-l", command)
    await this.#tmux("send-keys", "-t", window, "Enter")
    return await this.#until(window, async () => {
      const { code, output } = await this.last(window)
      return code !== undefined || (awaited !== undefined && output.includes(awaited))
    })
  }

  /** Presses a key, as tmux names it, and waits until the command is over. */
  async press(window: string, key: string): Promise<Shown> {
    await this.#tmux("send-keys", "-t", window, key)
    return await this.#until(window, async () => (await this.last(window)).code !== undefined)
  }

  /** Pastes text into a file. */
  async paste(window: string, file: string, text: string): Promise<void> {
    const clipboard = join(this.#options.cwd, ".clipboard")
    writeFileSync(clipboard, text)
    await this.#tmux("send-keys", "-t", window, `cat > ${file}`, "Enter")
    const running = () => this.#tmux("display-message", "-p", "-t", window, "#{pane_current_command}")
    await this.#until(window, async () => (await running()).trim() === "cat")
    await this.#tmux("load-buffer", clipboard)
    await this.#tmux("paste-buffer", "-t", window)
    await this.press(window, "C-d")
  }

  async close(): Promise<void> {
    if (this.#windows > 0) await this.#tmux("kill-server")
  }

  async #until(window: string, condition: () => Promise<boolean>): Promise<Shown> {
    for (let waited = 0; waited < 3_000; waited++) {
      if (await condition()) return await this.last(window)
      await setTimeout(100)
    }
    throw new Error(`nothing happens:\n${(await this.last(window)).output}`)
  }
}
