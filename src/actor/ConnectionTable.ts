import type { Connection } from "../connection/Connection.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { WaitList } from "./WaitList.ts"

/** The connections of one endpoint. */
export class ConnectionTable {
  private readonly byCore = new Map<Connection, ConnectionActor>()
  /** Clients that may not have heard from their server yet. */
  private readonly dialing = new Set<ConnectionActor>()
  /** The last connection was removed. */
  readonly emptied = new WaitList()
  /** Connections with running handlers, which may outlive the connection. */
  private readonly served = new Set<ConnectionActor>()

  get(core: Connection): ConnectionActor | undefined {
    return this.byCore.get(core)
  }

  /** Connections that are not drained. */
  get all(): Iterable<ConnectionActor> {
    return this.byCore.values()
  }

  /** These, and drained ones whose handlers still run. */
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
    if (this.byCore.size === 0) this.emptied.wakeAll()
  }

  onAnswered(actor: ConnectionActor): void {
    this.dialing.delete(actor)
  }

  onServed(actor: ConnectionActor, isServed: boolean): void {
    if (isServed) this.served.add(actor)
    else this.served.delete(actor)
  }

  /** The system refuses to send to that address from a shared socket. */
  onSendRefused(to: SocketAddress, problem: string, isLasting: boolean): void {
    for (const actor of this.dialing) actor.onSendRefused(to, problem, isLasting)
  }
}
