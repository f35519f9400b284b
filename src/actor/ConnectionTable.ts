import type { Connection } from "../connection/Connection.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"

/** The connections of one endpoint. */
export class ConnectionTable {
  private readonly byCore = new Map<Connection, ConnectionActor>()
  /** Clients that have heard nothing from their server yet, as far as is known. */
  private readonly dialing = new Set<ConnectionActor>()
  /** Those with handlers at work, which may outlive the connection. */
  private readonly served = new Set<ConnectionActor>()

  get(core: Connection): ConnectionActor | undefined {
    return this.byCore.get(core)
  }

  /** Those alive. */
  get all(): Iterable<ConnectionActor> {
    return this.byCore.values()
  }

  /** Those alive, and those whose handlers are still at work. */
  get visible(): ReadonlySet<ConnectionActor> {
    return new Set([...this.byCore.values(), ...this.served])
  }

  add(actor: ConnectionActor, isDialing: boolean): void {
    this.byCore.set(actor.core, actor)
    if (isDialing) this.dialing.add(actor)
  }

  remove(actor: ConnectionActor): void {
    this.byCore.delete(actor.core)
    this.dialing.delete(actor)
  }

  onAnswered(actor: ConnectionActor): void {
    this.dialing.delete(actor)
  }

  onServed(actor: ConnectionActor, isServed: boolean): void {
    if (isServed) this.served.add(actor)
    else this.served.delete(actor)
  }

  /** A socket that several connections use will not send to that address. */
  onSendRefused(to: SocketAddress, problem: string, isLasting: boolean): void {
    for (const actor of this.dialing) actor.onSendRefused(to, problem, isLasting)
  }
}
