/**
 * What somebody does who has README and nothing else: pastes its programs into the files they name, and types its
 * commands into a terminal, up to the end of the first hour. A comment behind a command is what it has to show.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { nameOf } from "../docs/examples.ts"
import type { Check } from "./checks.ts"
import { type Project, root } from "./project.ts"
import { nodes } from "./runtimes.ts"
import { type Shown, Terminal } from "./Terminal.ts"

type Step =
  | { readonly kind: "paste"; readonly file: string; readonly text: string }
  | { readonly kind: "type"; readonly line: string; readonly shows: string | undefined }
  | { readonly kind: "anotherTerminal" }

/** The steps that Markdown asks for, in order. */
export const stepsOf = (markdown: string): ReadonlyArray<Step> =>
  markdown.split(/^```/m).flatMap((part, i): ReadonlyArray<Step> => {
    const isProse = i % 2 === 0
    if (isProse) return /another terminal/i.test(part) ? [{ kind: "anotherTerminal" }] : []
    const [language, ...lines] = part.trimEnd().split("\n")
    const code = lines.join("\n")
    if (language === "")
      return lines.map((line) => ({ kind: "type", line, shows: /\s# (.*)$/.exec(line)?.[1].trim() }))
    const file = nameOf(code)
    if (language !== "ts" || file === undefined) throw new Error(`where does this go?\n${part}`)
    return [{ kind: "paste", file, text: `${code}\n` }]
  })

const firstHour = (): string => {
  const readme = readFileSync(join(root, "README.md"), "utf8")
  const [path] = /^[\s\S]*^## The first hour$[\s\S]*?(?=^## )/m.exec(readme) ?? []
  if (path === undefined) throw new Error('README has no section "The first hour"')
  return path
}

/** npm asks the registry for what it does not have, and for nothing else. */
const quietNpm = {
  npm_config_audit: "false",
  npm_config_fund: "false",
  npm_config_prefer_offline: "true",
  npm_config_update_notifier: "false"
}

/** Somebody at a terminal, in an empty directory. */
class Stranger {
  readonly directory = mkdtempSync(join(tmpdir(), "effect-quic-stranger-"))
  readonly #tarball: string
  readonly #terminal: Terminal
  readonly windows: Array<string> = []

  constructor({ tarball }: Project) {
    this.#tarball = tarball
    const [{ program }] = nodes.slice(-1)
    this.#terminal = new Terminal({ cwd: this.directory, path: join(program, ".."), environment: quietNpm })
  }

  async window(): Promise<string> {
    if (this.windows.length === 0) await this.anotherTerminal()
    return this.windows.at(-1)!
  }

  async anotherTerminal(): Promise<void> {
    this.windows.push(await this.#terminal.open())
  }

  async paste(file: string, text: string): Promise<void> {
    await this.#terminal.paste(await this.window(), file, text)
    const pasted = readFileSync(join(this.directory, file), "utf8")
    if (pasted !== text) throw new Error(`${file} is not what was pasted:\n${pasted}`)
  }

  /** The package is not in the registry yet: its tarball stands for its name, in the line that installs it. */
  async type(line: string, shows: string | undefined, goesOn: boolean): Promise<Shown> {
    const typed = line.startsWith("npm install ")
      ? line.replace(/(?<=\s)effect-quic(?=\s)/, this.#tarball)
      : line
    return await this.#terminal.type(await this.window(), typed, goesOn ? shows : undefined)
  }

  async interrupt(window: string): Promise<Shown> {
    return await this.#terminal.press(window, "C-c")
  }

  async leave(): Promise<void> {
    await this.#terminal.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

const must = (isMet: boolean, wanted: string, { code, output }: Shown): void => {
  if (!isMet) throw new Error(`expected ${wanted}, found exit code ${code ?? "none, it runs"}:\n${output}`)
}

/** Each command that README has somebody type, as a check; together they are one session. */
export const strangersPath = (): ReadonlyArray<Check> => {
  let stranger: Stranger | undefined
  const checks: Array<Check> = []
  const steps = stepsOf(firstHour())
  let before: Array<(who: Stranger) => Promise<void>> = []
  for (const [i, step] of steps.entries()) {
    if (step.kind === "paste") before.push((who) => who.paste(step.file, step.text))
    if (step.kind === "anotherTerminal") before.push((who) => who.anotherTerminal())
    if (step.kind !== "type") continue
    const preparations = before
    before = []
    const { line, shows } = step
    const goesOn = steps[i + 1]?.kind === "anotherTerminal"
    checks.push({
      name: `README: ${line.replace(/\s+#/, "  #")}`,
      check: async (project) => {
        if (stranger === undefined) {
          const newcomer = new Stranger(project)
          project.defer(() => newcomer.leave())
          stranger = newcomer
        }
        for (const prepare of preparations) await prepare(stranger)
        const shown = await stranger.type(line, shows, goesOn)
        must(shown.code === (goesOn ? undefined : 0), goesOn ? "a server that runs" : "exit code 0", shown)
        must(shows === undefined || shown.output.includes(shows), `"${shows}"`, shown)
        must(!/warning/i.test(shown.output), "no warning", shown)
      }
    })
  }
  return [
    ...checks,
    {
      name: "README: Ctrl-C ends the server",
      check: async () => {
        const [first] = stranger!.windows
        const shown = await stranger!.interrupt(first)
        must(shown.code === 130, "exit code 130", shown)
      }
    }
  ]
}
