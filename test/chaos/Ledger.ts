/** Records what happened in a run: what both sides must agree on in the end, and what should not have happened. */
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import type { QuicError } from "../../src/index.ts"
import type { Scenario, Task, Visit } from "./Scenario.ts"

export class Ledger {
  readonly violations: Array<string> = []
  readonly tasks = new Map<number, Task>()
  /** Whether any task may be interrupted, in which case its streams can end with code 0 at any point. */
  readonly hasCancels: boolean
  /** Whether both sides of a connection abandon paths, and so perhaps each the one that the other has left. */
  readonly mayAbandonAll: boolean
  private readonly hasCrash: boolean
  /** How often each side of a task completed, by tag. */
  readonly done = new Map<string, number>()
  /** Visits whose failure the faults explain. */
  readonly excused = new Set<Visit>()
  /** Visits the client abandoned halfway. */
  readonly abandoned = new Set<Visit>()
  /** How often a visit was repeated because a host crashed. */
  repeats = 0
  /** Visits that succeeded before the handshake was confirmed. */
  unconfirmed = 0
  /** Problems, unless a failed connection explains them. */
  private readonly suspicions: Array<string> = []
  /** Datagrams received by each end of a connection, by tag and number. */
  private readonly datagrams = new WeakMap<object, Set<string>>()

  constructor(scenario: Scenario) {
    for (const { visits } of scenario.clients)
      for (const { near, far } of visits) for (const task of [...near, ...far]) this.tasks.set(task.tag, task)
    this.hasCrash = scenario.faults.some(({ fault }) => fault.kind === "crash")
    this.mayAbandonAll = scenario.clients.some(({ visits }) =>
      visits.some(({ near, far }) => near.some(abandonsPath) && far.some(abandonsPath))
    )
    this.hasCancels = [...this.tasks.values()].some((task) => task.cancelAfterMillis !== undefined)
  }

  violate(what: string): void {
    if (this.violations.length < 20) this.violations.push(what)
  }

  suspect(what: string): void {
    this.suspicions.push(what)
  }

  get problems(): ReadonlyArray<string> {
    const isExplained = this.hasCrash || this.excused.size + this.abandoned.size + this.unconfirmed > 0
    return isExplained ? this.violations : [...this.violations, ...this.suspicions]
  }

  finish(side: "initiator" | "server", tag: number): void {
    const key = `${side} ${tag}`
    this.done.set(key, (this.done.get(key) ?? 0) + 1)
  }

  /** A datagram may be lost, but must not arrive twice. */
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

  /** Whether the serving side may see this error before it has read the stream's request. */
  mayEndEarly({ reason }: QuicError): boolean {
    // closing the connection cuts off what a cancelled task left open
    if (reason._tag !== "StreamReset") return this.hasCancels && isOver(reason)
    if (reason.code === 0) return this.hasCancels || this.abandoned.size > 0
    return this.tasks.get(reason.code - 1_000)?.kind === "resetUpload"
  }
}

export const isOver = (reason: QuicError["reason"]): boolean =>
  reason._tag === "ApplicationClosed" ||
  reason._tag === "EndpointClosed" ||
  reason._tag === "IdleTimeout" ||
  reason._tag === "StatelessReset" ||
  reason._tag === "HandshakeTimeout" ||
  // RFC 9000 §10.2.3: what the close of a client that leaves during its handshake says to a server with its 0-RTT data
  (reason._tag === "TransportClosed" &&
    (reason.code === TransportErrorCode.APPLICATION_ERROR ||
      reason.code === TransportErrorCode.NO_VIABLE_PATH))

const abandonsPath = (task: Task): boolean =>
  task.kind === "abandonPath" || (task.kind === "openPath" && task.abandonAfterMillis !== undefined)
