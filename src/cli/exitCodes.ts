/** Exit codes, one for each kind of failure that a script may want to tell apart; docs/cli.md lists them. */
import { PlatformError } from "effect/PlatformError"
import { IdentityError } from "../Identity.ts"
import { QuicError, type QuicErrorReason } from "../QuicError.ts"
import { TransferError } from "../transfer/TransferError.ts"

export const ExitCode = {
  /** Anything that has no code of its own. */
  failure: 1,
  /** The command line: an unknown flag, a value out of its range, a ticket that is damaged. */
  usage: 2,
  /** Nobody could be reached: no such name, no answer, nobody listens. */
  unreachable: 3,
  /** The peer is not who it has to be, or does not take us for one it serves. */
  untrusted: 4,
  /** The connection was lost, or closed by the peer. */
  lost: 5,
  /** The peer does not have what was asked for, or does not give it. */
  refused: 6,
  /** What arrived is not what was offered. */
  corrupt: 7,
  /** A file here cannot be read or written, or is in the way. */
  file: 8
} as const

const ofReason = (reason: QuicErrorReason): number => {
  switch (reason._tag) {
    case "InvalidOption":
      return ExitCode.usage
    case "ConnectFailed":
    case "HandshakeTimeout":
    case "ResolveFailed":
    case "Unreachable":
    case "VersionMismatch":
      return ExitCode.unreachable
    case "HandshakeRefused":
      return ExitCode.untrusted
    case "ApplicationClosed":
    case "IdleTimeout":
    case "StatelessReset":
    case "TransportClosed":
      return ExitCode.lost
    case "StreamReset":
    case "StreamStopped":
      return ExitCode.refused
    default:
      return ExitCode.failure
  }
}

/** The exit code of a failure that names none itself. */
export const exitCodeOf = (error: unknown): number => {
  if (error instanceof QuicError) return ofReason(error.reason)
  if (error instanceof TransferError) return error.kind === "refused" ? ExitCode.refused : ExitCode.corrupt
  if (error instanceof PlatformError) return ExitCode.file
  if (error instanceof IdentityError) return ExitCode.usage
  return ExitCode.failure
}
