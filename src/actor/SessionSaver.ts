/**
 * client: stores tickets and tokens from the server for the next connection.
 *
 * It owns at most one fiber, and only while there is something to store, however much the server sends and however slow
 * the store is: only the newest address token is kept, and a handful of tickets per session. The connection does not
 * depend on it and continues if the store fails.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { SessionTicket, TicketStoreShape } from "../capability/TicketStore.ts"
import { Fifo } from "../internal/Fifo.ts"
import type { Branch } from "./Branch.ts"

/** A server's key in the ticket store, and who it has to be. */
export interface ServerMemory {
  readonly store: TicketStoreShape
  /** Its key in the store. */
  readonly server: string
  /** Who decides whether it is the right one; by default the endpoint's. */
  readonly verifier?: CertificateVerifierShape | undefined
}

/** What logs a failure of the store. */
export interface SaverHost {
  report(what: string, cause: Cause.Cause<unknown>): void
}

export class SessionSaver {
  readonly memory: ServerMemory
  private readonly branch: Branch
  private readonly host: SaverHost
  private readonly tickets = new Fifo<SessionTicket>()
  private token: Uint8Array | undefined = undefined
  private isSaving = false

  constructor(memory: ServerMemory, branch: Branch, host: SaverHost) {
    this.memory = memory
    this.branch = branch
    this.host = host
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
      this.host.report("the ticket store broke", cause)
      this.isSaving = false
      if (this.hasMore) this.start()
    })
  }

  private get hasMore(): boolean {
    return this.token !== undefined || this.tickets.length > 0
  }

  private get saveAll(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { token } = this
      const { store, server } = this.memory
      const ticket = this.tickets.shift()
      if (ticket !== undefined) return Effect.flatMap(store.putTicket(server, ticket), () => this.saveAll)
      this.token = undefined
      if (token !== undefined) return Effect.flatMap(store.putAddressToken(server, token), () => this.saveAll)
      this.isSaving = false
      this.tickets.clear()
      return Effect.void
    })
  }
}
