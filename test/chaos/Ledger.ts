/** What was seen in a run: on what both sides must agree in the end, and what should not have happened. */
import type { QuicError } from "../../src/index.ts"
import type { Scenario, Task, Visit } from "./Scenario.ts"

export class Ledger {
  readonly violations: Array<string> = []
  readonly tasks = new Map<number, Task>()
  /** Whether some task may be interrupted: its streams end with code 0, anywhere. */
  readonly hasCancels: boolean
  private readonly hasCrash: boolean
  /** How often each side of a task came to its end, by tag. */
  readonly done = new Map<string, number>()
  /** Visits that could not but fail. */
  readonly excused = new Set<Visit>()
  /** Visits that the client has left in the middle. */
  readonly abandoned = new Set<Visit>()
  /** How often a visit began again because a machine crashed. */
  repeats = 0
  /** Visits that ended well, and before the server was known to have the client's last flight. */
  hasty = 0
  /** What is wrong unless a connection could not but fail. */
  private readonly suspicions: Array<string> = []
  /** Datagrams that arrived, by tag and number, for each end of a connection. */
  private readonly datagrams = new WeakMap<object, Set<string>>()

  constructor(scenario: Scenario) {
    for (const { visits } of scenario.clients)
      for (const { near, far } of visits) for (const task of [...near, ...far]) this.tasks.set(task.tag, task)
    this.hasCrash = scenario.faults.some(({ fault }) => fault.kind === "crash")
    this.hasCancels = [...this.tasks.values()].some((task) => task.cancelAfterMillis !== undefined)
  }

  violate(what: string): void {
    if (this.violations.length < 20) this.violations.push(what)
  }

  suspect(what: string): void {
    this.suspicions.push(what)
  }

  /** Everything that is wrong. */
  get problems(): ReadonlyArray<string> {
    const isExplained = this.hasCrash || this.excused.size + this.abandoned.size + this.hasty > 0
    return isExplained ? this.violations : [...this.violations, ...this.suspicions]
  }

  finish(side: "asker" | "server", tag: number): void {
    const key = `${side} ${tag}`
    this.done.set(key, (this.done.get(key) ?? 0) + 1)
  }

  /** A datagram may be lost, but never come twice. */
  datagram(connection: object, tag: number, number: number): void {
    const key = `${tag} ${number}`
    const seen = this.datagrams.get(connection) ?? new Set()
    if (seen.has(key)) this.violate(`datagram ${key} arrived twice`)
    this.datagrams.set(connection, seen.add(key))
    const task = this.tasks.get(tag)
    if (task?.kind !== "datagrams" || number >= task.count) this.violate(`datagram ${key} was never sent`)
  }

  isCancellable(tag: number): boolean {
    return this.tasks.get(tag)?.cancelAfterMillis !== undefined
  }

  /** Whether whoever serves a stream may meet this before it knows what the stream is for. */
  mayEndEarly({ reason }: QuicError): boolean {
    // what a task that was cancelled has left open is cut off with the connection
    if (reason._tag !== "StreamReset") return this.hasCancels && isOver(reason._tag)
    if (reason.code === 0) return this.hasCancels || this.abandoned.size > 0
    return this.tasks.get(reason.code - 1_000)?.kind === "resetUpload"
  }
}

/** The connection is over. */
export const isOver = (tag: QuicError["reason"]["_tag"]): boolean =>
  tag === "ApplicationClosed" ||
  tag === "EndpointClosed" ||
  tag === "IdleTimeout" ||
  tag === "StatelessReset" ||
  tag === "HandshakeTimeout"
