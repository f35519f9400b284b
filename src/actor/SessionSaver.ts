/**
 * client: stores tickets and tokens from the server for the next connection.
 *
 * It owns at most one fiber, and only while there is something to store, however much the server sends and however slow
 * the store is: only the newest address token is kept, and a handful of tickets per session. The connection does not
 * depend on it and continues if the store fails.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { SessionTicket } from "../capability/TicketStore.ts"
import { Fifo } from "../internal/Fifo.ts"
import type { Branch } from "./Branch.ts"

/** Where they are stored. */
export interface SessionSink {
  readonly putTicket: (ticket: SessionTicket) => Effect.Effect<void>
  readonly putAddressToken: (token: Uint8Array) => Effect.Effect<void>
}

export class SessionSaver {
  private readonly sink: SessionSink
  private readonly branch: Branch
  private readonly onDefect: (cause: Cause.Cause<unknown>) => void
  private readonly tickets = new Fifo<SessionTicket>()
  private token: Uint8Array | undefined = undefined
  private isSaving = false

  constructor(sink: SessionSink, branch: Branch, onDefect: (cause: Cause.Cause<unknown>) => void) {
    this.sink = sink
    this.branch = branch
    this.onDefect = onDefect
  }

  addTicket(ticket: SessionTicket): void {
    this.tickets.push(ticket)
    this.start()
  }

  addAddressToken(token: Uint8Array): void {
    this.token = token
    this.start()
  }

  private start(): void {
    if (this.isSaving) return
    this.isSaving = true
    this.branch.fork(this.saveAll, (cause) => {
      this.onDefect(cause)
      this.isSaving = false
      if (this.hasMore) this.start()
    })
  }

  private get hasMore(): boolean {
    return this.token !== undefined || this.tickets.length > 0
  }

  private get saveAll(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { sink, token } = this
      const ticket = this.tickets.shift()
      if (ticket !== undefined) return Effect.flatMap(sink.putTicket(ticket), () => this.saveAll)
      this.token = undefined
      if (token !== undefined) return Effect.flatMap(sink.putAddressToken(token), () => this.saveAll)
      this.isSaving = false
      return Effect.void
    })
  }
}
