/** Drives one quiche connection: feeds it datagrams and timeouts, and sends what it produces. */
import { randomBytes } from "node:crypto"
import type { Connection, ConnectionError, Host } from "@matrixai/quic/native/types.js"
import { emit, fail, type Task } from "../program.ts"
import { Conversation } from "./Conversation.ts"

/** Shared by the connections of a process. */
export interface DriverContext {
  readonly task: Task
  readonly send: (datagram: Buffer, from: Host, to: Host) => void
  /** Binds another local address; undefined if there is only one. */
  readonly bindAnother: (() => Promise<Host>) | undefined
  /** A connection ID has been added, or removed (`driver` undefined). */
  readonly onId: (id: Uint8Array, driver: Driver | undefined) => void
  /** The connection has ended; `clean` unless it failed. */
  readonly onEnd: (driver: Driver, clean: boolean) => void
}

export const connectionIdBytes = 16

export class Driver {
  readonly connection: Connection
  private readonly context: DriverContext
  private readonly conversation: Conversation
  private readonly outgoing = Buffer.alloc(1500)
  private timer: NodeJS.Timeout | undefined
  private turnIsDue = false
  private ended = false

  constructor(connection: Connection, context: DriverContext) {
    this.connection = connection
    this.context = context
    this.conversation = new Conversation(connection, context.task, () => this.move())
    const keyLog = process.env.SSLKEYLOGFILE
    if (keyLog !== undefined) connection.setKeylog(keyLog)
  }

  receive(datagram: Uint8Array, from: Host, to: Host): void {
    try {
      this.connection.recv(datagram, { from, to })
    } catch (error) {
      if (!this.connection.isClosed() && this.connection.localError() === null) fail(error)
    }
    this.turnSoon()
  }

  /** Coalesces all datagrams of one event-loop turn. */
  private turnSoon(): void {
    if (this.turnIsDue) return
    this.turnIsDue = true
    setImmediate(() => {
      this.turnIsDue = false
      this.turn()
    })
  }

  /** Everything to do after an event. */
  turn(): void {
    const { connection } = this
    // a client learns from its first flight whether it may send early data
    this.flush()
    if (connection.isEstablished() || connection.isInEarlyData()) this.conversation.turn()
    if (connection.isEstablished()) this.managePaths()
    this.flush()
    clearTimeout(this.timer)
    const timeout = connection.timeout()
    if (timeout !== null) {
      this.timer = setTimeout(() => {
        connection.onTimeout()
        this.turn()
      }, timeout)
    }
    if (connection.isClosed() || connection.isDraining()) this.end()
  }

  /** Supplies connection IDs for other paths, and migrates to a path once it is validated. */
  private managePaths(): void {
    const { connection } = this
    while (connection.sourceCidsLeft() > 0) {
      const id = randomBytes(connectionIdBytes)
      connection.newSourceCid(id, randomBytes(16).readBigUInt64BE(), false)
      this.context.onId(id, this)
    }
    for (let id = connection.retiredScidNext(); id !== null; id = connection.retiredScidNext())
      this.context.onId(id, undefined)
    for (let event = connection.pathEventNext(); event !== null; event = connection.pathEventNext())
      if (event.type === "Validated" && this.context.task.role === "client")
        connection.migrate(event.local, event.peer)
  }

  private async move(): Promise<void> {
    const { bindAnother } = this.context
    const [{ peerHost }] = this.connection.pathStats()
    if (bindAnother === undefined) return
    this.connection.probePath(await bindAnother(), peerHost)
    this.turn()
  }

  private flush(): void {
    for (;;) {
      const sent = this.connection.send(this.outgoing)
      if (sent === null) return
      const [length, { from, to }] = sent
      this.context.send(Buffer.from(this.outgoing.subarray(0, length)), from, to)
    }
  }

  private end(): void {
    if (this.ended) return
    this.ended = true
    clearTimeout(this.timer)
    const error: ConnectionError | null = this.connection.localError() ?? this.connection.peerError()
    const quiet = error === null && !this.connection.isTimedOut()
    const clean = quiet ? this.conversation.began : error?.isApp === true && error.errorCode === 0
    if (!clean) {
      const text = error && `${Buffer.from(error.reason).toString()} (error ${error.errorCode})`
      emit({ event: "failed", reason: text ?? (this.connection.isTimedOut() ? "timed out" : "closed early") })
    }
    this.context.onEnd(this, clean)
  }
}
