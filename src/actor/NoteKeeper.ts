/**
 * client: what is noted for the next connection to the same server, as the server gives it.
 *
 * It owns a fiber while there is something to note, and never more than one, however much the server gives and however
 * slow the store is: of address tokens only the newest is worth noting, of tickets a session takes a handful. The
 * connection can do without what is noted, and goes on if that breaks.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { SessionTicket } from "../capability/TicketStore.ts"
import { Fifo } from "../internal/Fifo.ts"
import type { Branch } from "./Branch.ts"

/** Where it is noted. */
export interface ServerNotes {
  readonly onTicket: (ticket: SessionTicket) => Effect.Effect<void>
  readonly onAddressToken: (token: Uint8Array) => Effect.Effect<void>
}

export class NoteKeeper {
  private readonly notes: ServerNotes
  private readonly branch: Branch
  private readonly onDefect: (cause: Cause.Cause<unknown>) => void
  private readonly tickets = new Fifo<SessionTicket>()
  private token: Uint8Array | undefined = undefined
  private isNoting = false

  constructor(notes: ServerNotes, branch: Branch, onDefect: (cause: Cause.Cause<unknown>) => void) {
    this.notes = notes
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
    if (this.isNoting) return
    this.isNoting = true
    this.branch.fork(this.noteAll, (cause) => {
      this.onDefect(cause)
      this.isNoting = false
      if (this.hasMore) this.start()
    })
  }

  private get hasMore(): boolean {
    return this.token !== undefined || this.tickets.length > 0
  }

  private get noteAll(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { notes, token } = this
      const ticket = this.tickets.shift()
      if (ticket !== undefined) return Effect.flatMap(notes.onTicket(ticket), () => this.noteAll)
      this.token = undefined
      if (token !== undefined) return Effect.flatMap(notes.onAddressToken(token), () => this.noteAll)
      this.isNoting = false
      return Effect.void
    })
  }
}
