/** Chromium without a window, driven by its own protocol over two pipes; no library. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { pathToFileURL } from "node:url"

const installed = (name: string): boolean => {
  try {
    execFileSync("which", [name], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** Undefined where no Chromium is installed. */
export const chromium = ["chromium", "chromium-browser", "google-chrome"].find(installed)

interface Reply {
  readonly id?: number
  readonly method?: string
  readonly params?: unknown
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly message: string }
}

export class Browser {
  /** What the page has logged or thrown, and what its policy has blocked. */
  readonly complaints: Array<string> = []
  private readonly directory = mkdtempSync(join(tmpdir(), "inspect-"))
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, (reply: Reply) => void>()
  private session: string | undefined = undefined
  private nextId = 1
  private rest = ""

  private constructor() {
    const profile = `--user-data-dir=${join(this.directory, "profile")}`
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", profile]
    this.child = spawn(chromium!, flags, {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"]
    })
    const incoming = this.child.stdio[4] as Readable
    incoming.setEncoding("utf8").on("data", (text: string) => this.receive(text))
  }

  /** A page of `html`, loaded from a file as users do. */
  static async open(html: string, width = 1600, height = 1200): Promise<Browser> {
    const browser = new Browser()
    try {
      await browser.load(html, width, height)
      return browser
    } catch (error) {
      await browser.close()
      throw error
    }
  }

  private async load(html: string, width: number, height: number): Promise<void> {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" })
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true })
    this.session = sessionId as string
    const metrics = { width, height, deviceScaleFactor: 1, mobile: false }
    await this.call("Emulation.setDeviceMetricsOverride", metrics)
    for (const domain of ["Page", "Runtime", "Log"]) await this.call(`${domain}.enable`)
    const file = join(this.directory, "page.html")
    writeFileSync(file, html)
    await this.call("Page.navigate", { url: pathToFileURL(file).href })
    // there is no document while it navigates
    while (!(await this.evaluate("document.documentElement?.dataset.ready === 'true'").catch(() => false)))
      await new Promise((resolve) => setTimeout(resolve, 20))
  }

  /** The value of an expression in the page, outside its policy. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true
    })
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { readonly value?: unknown }).value
  }

  async mouse(type: string, x: number, y: number, clickCount = 1): Promise<void> {
    await this.call("Input.dispatchMouseEvent", {
      type,
      x,
      y,
      button: type === "mouseMoved" ? "none" : "left",
      clickCount
    })
  }

  call(method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    const id = this.nextId++
    const message = { id, method, params, ...(this.session !== undefined && { sessionId: this.session }) }
    ;(this.child.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`)
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result ?? {}) : reject(new Error(`${method}: ${error.message}`))
      )
    })
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("close", resolve))
    this.child.kill("SIGKILL")
    await ended
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }

  private receive(text: string): void {
    const messages = (this.rest + text).split("\0")
    this.rest = messages.pop()!
    for (const message of messages) {
      const reply: Reply = JSON.parse(message)
      if (reply.id !== undefined) {
        this.waiting.get(reply.id)?.(reply)
        this.waiting.delete(reply.id)
      } else if (/exceptionThrown|entryAdded|consoleAPICalled|javascriptDialogOpening/.test(reply.method!))
        this.complaints.push(JSON.stringify(reply.params))
    }
  }
}
