/** What was seen in a run: on what both sides must agree in the end, and what should not have happened. */
import type { QuicError } from "../../src/index.ts"
import type { Scenario, Task, Visit } from "./Scenario.ts"

export class Ledger {
  readonly violations: Array<string> = []
  readonly tasks = new Map<number, Task>()
  /** Whether some task may be interrupted: its streams end with code 0, anywhere. */
  readonly hasCancels: boolean
  /** How often each side of a task came to its end, by tag. */
  readonly done = new Map<string, number>()
  /** Visits that could not but fail. */
  readonly excused = new Set<Visit>()
  /** Datagrams that arrived, by tag and number. */
  private readonly datagrams = new Set<string>()

  constructor(scenario: Scenario) {
    for (const { visits } of scenario.clients)
      for (const { near, far } of visits) for (const task of [...near, ...far]) this.tasks.set(task.tag, task)
    this.hasCancels = [...this.tasks.values()].some((task) => task.cancelAfterMillis !== undefined)
  }

  violate(what: string): void {
    if (this.violations.length < 20) this.violations.push(what)
  }

  finish(side: "asker" | "server", tag: number): void {
    const key = `${side} ${tag}`
    this.done.set(key, (this.done.get(key) ?? 0) + 1)
  }

  /** A datagram may be lost, but never come twice. */
  datagram(tag: number, number: number): void {
    const key = `${tag} ${number}`
    if (this.datagrams.has(key)) this.violate(`datagram ${key} arrived twice`)
    this.datagrams.add(key)
    const task = this.tasks.get(tag)
    if (task?.kind !== "datagrams" || number >= task.count) this.violate(`datagram ${key} was never sent`)
  }

  isCancellable(tag: number): boolean {
    return this.tasks.get(tag)?.cancelAfterMillis !== undefined
  }

  /** An end that whoever serves a stream may meet before it knows what the stream is for. */
  mayEndEarly({ reason }: QuicError): boolean {
    if (reason._tag === "StreamReset") {
      if (reason.code === 0) return this.hasCancels
      return this.tasks.get(reason.code - 1_000)?.kind === "resetUpload"
    }
    // what a task that was cancelled has left open is cut off with the connection
    return this.hasCancels && isOver(reason._tag)
  }
}

/** The connection is over, in a way that both sides know of. */
export const isOver = (tag: QuicError["reason"]["_tag"]): boolean =>
  tag === "ApplicationClosed" || tag === "EndpointClosed" || tag === "IdleTimeout"
