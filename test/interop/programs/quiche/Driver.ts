/** One connection of quiche's: what it says to the network, and what it hears from there. */
import { randomBytes } from "node:crypto"
import type { Connection, ConnectionError, Host } from "@matrixai/quic/native/types.js"
import { emit, fail, type Task } from "../program.ts"
import { Conversation } from "./Conversation.ts"

/** What surrounds the connections of a process. */
export interface Surroundings {
  readonly task: Task
  readonly send: (datagram: Buffer, from: Host, to: Host) => void
  /** Another local address; undefined where there is but one. */
  readonly another: (() => Promise<Host>) | undefined
  /** A connection ID has come into use, or is out of use. */
  readonly onId: (id: Uint8Array, driver: Driver | undefined) => void
  /** Nothing comes of the connection any more; it said so to the peer. */
  readonly onEnd: (driver: Driver, clean: boolean) => void
}

export const connectionIdBytes = 16

export class Driver {
  readonly connection: Connection
  private readonly around: Surroundings
  private readonly conversation: Conversation
  private readonly outgoing = Buffer.alloc(1500)
  private timer: NodeJS.Timeout | undefined
  private turnIsDue = false
  private ended = false

  constructor(connection: Connection, around: Surroundings) {
    this.connection = connection
    this.around = around
    this.conversation = new Conversation(connection, around.task, () => this.move())
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

  /** Once for all the datagrams that are there. */
  private turnSoon(): void {
    if (this.turnIsDue) return
    this.turnIsDue = true
    setImmediate(() => {
      this.turnIsDue = false
      this.turn()
    })
  }

  /** Everything there is to do after something has happened. */
  turn(): void {
    const { connection } = this
    // a client learns from what it sends first whether it may send early data
    this.flush()
    if (connection.isEstablished() || connection.isInEarlyData()) this.conversation.turn()
    if (connection.isEstablished()) this.tendPaths()
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

  /** Offers connection IDs for other paths, and goes on along one that has been validated. */
  private tendPaths(): void {
    const { connection } = this
    while (connection.sourceCidsLeft() > 0) {
      const id = randomBytes(connectionIdBytes)
      connection.newSourceCid(id, randomBytes(16).readBigUInt64BE(), false)
      this.around.onId(id, this)
    }
    for (let id = connection.retiredScidNext(); id !== null; id = connection.retiredScidNext())
      this.around.onId(id, undefined)
    for (let event = connection.pathEventNext(); event !== null; event = connection.pathEventNext())
      if (event.type === "Validated" && this.around.task.role === "client")
        connection.migrate(event.local, event.peer)
  }

  private async move(): Promise<void> {
    const { another } = this.around
    const [{ peerHost }] = this.connection.pathStats()
    if (another === undefined) return
    this.connection.probePath(await another(), peerHost)
    this.turn()
  }

  private flush(): void {
    for (;;) {
      const sent = this.connection.send(this.outgoing)
      if (sent === null) return
      const [length, { from, to }] = sent
      this.around.send(Buffer.from(this.outgoing.subarray(0, length)), from, to)
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
    this.around.onEnd(this, clean)
  }
}
