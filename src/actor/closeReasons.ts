/** How the end of a connection is told to the application. */
import type { Connection } from "../connection/Connection.ts"
import type { CloseReason } from "../connection/lifecycle.ts"
import {
  ApplicationClosed,
  HandshakeRefused,
  HandshakeTimeout,
  IdleTimeout,
  type QuicErrorReason,
  StatelessReset,
  TransportClosed,
  VersionMismatch
} from "../QuicError.ts"
import { formatAddress } from "../wire/SocketAddress.ts"

/** Why `core`, which is over, has ended; `socketError` is what the system had against sending. */
export const reasonOf = (core: Connection, socketError?: string): QuicErrorReason => {
  const close = core.closeReason!
  switch (close.origin) {
    case "idleTimeout":
      return new IdleTimeout()
    case "handshakeTimeout":
      return new HandshakeTimeout({
        address: formatAddress(core.path.remote),
        ...(core.receiver.discards.summary !== undefined && { discarded: core.receiver.discards.summary }),
        ...(socketError !== undefined && { socketError })
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
