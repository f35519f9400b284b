import type { SessionTicket } from "../capability/TicketStore.ts"
import type { Connection } from "../connection/Connection.ts"
import type { ConnectionEvent } from "../connection/ConnectionEvents.ts"

type VerifyRequest = Extract<ConnectionEvent, { readonly _tag: "verifyPeer" }>["request"]

/** Receives the core's events, outside the core. */
export interface ConnectionListener {
  /** The peer has proven its key and waits for a verdict on its certificate. */
  onPeerProven(request: VerifyRequest): void
  /** The connection is usable, for 0-RTT only or fully. Can be called twice. */
  onUsable(): void
  onKeyLog(line: string): void
  onMoved(): void
  /** NAT traversal has news for its listener. */
  onTraversal(): void
  /** The peer has said what it sees as our address. */
  onObserved(): void
  /** The server does not answer. Called again while that lasts, ever less often. */
  onUnanswered(): void
  onTraced(): void
  onAddressToken(token: Uint8Array): void
  onTicket(ticket: SessionTicket): void
  onClosed(): void
  onDrained(): void
}

/** Delivers the pending events in order. */
export const pumpEvents = (core: Connection, listener: ConnectionListener): void => {
  for (let event = core.pollEvent(); event !== undefined; event = core.pollEvent()) {
    switch (event._tag) {
      case "verifyPeer":
        listener.onPeerProven(event.request)
        break
      case "early":
      case "established":
        listener.onUsable()
        break
      case "keyLog":
        listener.onKeyLog(event.line)
        break
      case "moved":
        listener.onMoved()
        break
      case "traversal":
        listener.onTraversal()
        break
      case "observed":
        listener.onObserved()
        break
      case "unanswered":
        listener.onUnanswered()
        break
      case "traced":
        listener.onTraced()
        break
      case "newToken":
        listener.onAddressToken(event.token)
        break
      case "ticket":
        listener.onTicket(event.ticket)
        break
      case "closed":
        listener.onClosed()
        break
      case "drained":
        listener.onDrained()
        break
      case "confirmed":
        break
    }
  }
}
