import type { Route, SocketNumber } from "../path/Route.ts"
import type { Role } from "../wire/Role.ts"

/** Why a connection cannot migrate. */
export type MoveRefusal =
  /** The handshake is not confirmed yet. RFC 9000 §9 */
  | "unconfirmed"
  /** The server declared disable_active_migration. RFC 9000 §18.2 #2 */
  | "disabled"
  /** Only clients migrate. RFC 9000 §9 */
  | "server"
  /** The peer has not provided an unused connection ID yet. RFC 9000 §9.5 */
  | "noConnectionId"

/** What a policy knows of the connection. */
export interface MoverState {
  readonly role: Role
  readonly isConfirmed: boolean
  /** client: the server declared disable_active_migration. server: this side did. */
  readonly isDisabled: boolean
  /** Using the server's preferred address, after which disable_active_migration no longer holds. RFC 9000 §18.2 */
  readonly isOnPreferred: boolean
}

/** Who may move a path. Either side may probe whatever the policy says. */
export interface MovePolicy {
  /** Why this side may not move it now. */
  refusal(state: MoverState): MoveRefusal | undefined
  /** Whether the peer may move it to where its packets come from: as a NAT rebinding, or at all. */
  admitsPeer(state: MoverState, isNatRebinding: boolean): boolean
}

export const rfc9000: MovePolicy = {
  refusal({ role, isConfirmed, isDisabled, isOnPreferred }) {
    if (role === "server") return "server"
    if (!isConfirmed) return "unconfirmed" // RFC 9000 §9 #1 #2
    return isDisabled && !isOnPreferred ? "disabled" : undefined
  },
  // RFC 9000 §9 #3: what may not move is dropped; a client behind a NAT that rebinds is not migrating
  admitsPeer({ role, isConfirmed, isDisabled, isOnPreferred }, isNatRebinding) {
    return role === "server" && isConfirmed && (!isDisabled || isOnPreferred || isNatRebinding)
  }
}

/** The peer's address counts as observed that long. */
const OBSERVED_MICROS = 30_000_000

/**
 * Whether packets from another address of the peer's look like a NAT rebinding: same address of ours, same connection
 * ID, since the peer does not know of it (RFC 9000 §9.5), no validation pending, and first seen there not long ago.
 * Anything else is a change of topology, and validated just the same.
 *
 * `socket` and `sequence` are what the packets arrive at, `known` the route they arrive on unless it is new.
 */
export const isNatRebinding = (
  current: Route,
  socket: SocketNumber,
  sequence: number,
  known: Route | undefined,
  nowMicros: number
): boolean =>
  socket === current.socket &&
  sequence === current.localSequence &&
  current.validator.state !== "validating" &&
  (known === undefined ||
    (known.validator.state !== "validating" && nowMicros - known.observedAtMicros <= OBSERVED_MICROS))
