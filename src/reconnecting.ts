/** Reconnect tokens: taken from what an endpoint remembers of a server, and given back to it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { AddressMemory } from "./actor/AddressMemory.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import type { DialedServer } from "./actor/dial.ts"
import type { SessionTicket, TicketStoreShape } from "./capability/TicketStore.ts"
import { MAX_SESSION_TICKETS, type RememberedSession } from "./handshake/RememberedSession.ts"
import { ReconnectToken } from "./ReconnectToken.ts"
import { formatAddress } from "./wire/SocketAddress.ts"

/** Below that, a queue on the way would look like loss. */
const MIN_RTT_MILLIS = 10
/** As for `transport.initialRtt`. */
const MAX_RTT_MILLIS = 10_000

/** Takes what the store holds about the server out of it; none if that is nothing. */
export const takeToken = (actor: ConnectionActor): Effect.Effect<Option.Option<ReconnectToken>> =>
  Effect.gen(function* () {
    const { memory } = actor
    if (memory === undefined) return Option.none()
    const tickets: Array<SessionTicket> = []
    let addressToken: Uint8Array | undefined
    // a store of the application may hold more
    while (tickets.length < MAX_SESSION_TICKETS) {
      const taken = yield* memory.store.take(memory.server)
      addressToken ??= taken.addressToken
      if (taken.ticket === undefined) break
      tickets.unshift(taken.ticket)
    }
    if (tickets.length === 0 && addressToken === undefined) return Option.none()
    const { recovery, remote } = actor.core.path
    const rttMillis = Math.ceil(recovery.rtt.smoothedMicros / 1000)
    return Option.some(
      new ReconnectToken({
        server: memory.server,
        address: formatAddress(remote),
        rttMillis: Math.min(Math.max(rttMillis, MIN_RTT_MILLIS), MAX_RTT_MILLIS),
        addressToken,
        tickets
      })
    )
  })

/** Used in this process, which would link connections to each other if it happened again. RFC 8446 §C.4 */
const used = new WeakSet<Redacted.Redacted<RememberedSession>>()

/** A client's memory of servers. */
interface Memory {
  readonly store: TicketStoreShape
  readonly addresses: AddressMemory
}

/** A server to connect to, and what is known of it from before. */
interface KnownServer extends DialedServer {
  readonly reconnectToken: ReconnectToken | undefined
  /** The application has set none. */
  readonly learnsRtt: boolean
}

/** Lets the endpoint remember what the token holds, if it is about this server; returns how to connect to it. */
export const recallServer = <Server extends KnownServer>(
  { store, addresses }: Memory,
  server: Server
): Effect.Effect<Server> => {
  const redacted = server.reconnectToken?.session
  // most have none, and this is asked for each connection
  if (redacted === undefined) return Effect.succeed(server)
  return Effect.gen(function* () {
    if (used.has(redacted)) return server
    const session = Redacted.value(redacted)
    if (session.server !== server.memory) return server
    used.add(redacted)
    addresses.recall(server.memory, session.address)
    for (const ticket of session.tickets) yield* store.putTicket(server.memory, ticket)
    if (session.addressToken !== undefined) yield* store.putAddressToken(server.memory, session.addressToken)
    if (!server.learnsRtt) return server
    // RFC 9002 §6.2.2: a lost first flight is sent again after three round trips, not after a second
    const initialRttMillis = Math.min(Math.max(session.rttMillis, MIN_RTT_MILLIS), MAX_RTT_MILLIS)
    return { ...server, transport: { ...server.transport, initialRttMillis } }
  })
}
