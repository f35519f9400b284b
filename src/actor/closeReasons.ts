/** Turns the end of a connection into the error the application sees. */
import * as Effect from "effect/Effect"
import type { Connection } from "../connection/Connection.ts"
import type { CloseReason } from "../connection/lifecycle.ts"
import {
  ApplicationClosed,
  HandshakeRefused,
  HandshakeTimeout,
  IdleTimeout,
  type QuicError,
  quicError,
  type QuicErrorReason,
  StatelessReset,
  TransportClosed,
  VersionMismatch
} from "../QuicError.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { unreachable } from "./destinations.ts"

/** Why the system refused to send to the peer. */
export interface SendRefusal {
  readonly problem: string
  /** It ends the connection: nothing was heard from the peer, and nothing can be sent to it. */
  readonly isFinal: boolean
}

/** Why `core`, which is closed, has ended. */
export const reasonOf = (core: Connection, refusal?: SendRefusal): QuicErrorReason => {
  if (refusal?.isFinal === true) return unreachable(core.path.remote, refusal.problem)
  const close = core.closeReason!
  switch (close.origin) {
    case "idleTimeout":
      return new IdleTimeout()
    case "handshakeTimeout":
      return new HandshakeTimeout({
        address: formatAddress(core.path.remote),
        waitingFor: core.handshake.awaitsVerdict ? "verifier" : "peer",
        ...(core.receiver.discards.summary !== undefined && { discarded: core.receiver.discards.summary }),
        ...(refusal !== undefined && { socketError: refusal.problem })
      })
    case "statelessReset":
      return new StatelessReset()
    case "versionNegotiation":
      return new VersionMismatch({ offered: core.firstFlight?.offeredVersions ?? [] })
    case "local":
    case "peer":
      return closedBy(close.origin, close)
  }
}

const closedBy = (
  origin: "local" | "peer",
  { application, code, frameType, reason }: CloseReason
): QuicErrorReason => {
  if (application) return new ApplicationClosed({ origin, code, problem: reason })
  // RFC 9001 §4.8
  if (code >= 0x100 && code <= 0x1ff)
    return new HandshakeRefused({ origin, alert: code - 0x100, problem: reason })
  return new TransportClosed({ origin, code, frameType, problem: reason })
}

/** Fails with one error for all who ask: it is made when somebody does, which for most connections nobody does. */
export const failingWith = (reason: () => QuicErrorReason): Effect.Effect<never, QuicError> => {
  let failing: Effect.Effect<never, QuicError> | undefined
  return Effect.suspend(() => (failing ??= Effect.fail(quicError(reason()))))
}

/** Whether a connection that is over has ended as connections should: with code 0, by this side, or in silence. */
export const hasEndedWell = ({ closeReason }: Connection): boolean => {
  if (closeReason === undefined) return true // its endpoint was closed
  const { origin, application, code } = closeReason
  if (origin === "idleTimeout") return true
  return (origin === "local" || origin === "peer") && (code === 0 || (application && origin === "local"))
}
