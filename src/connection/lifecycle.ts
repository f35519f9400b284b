import { moves, StateMachine } from "../internal/TransitionTable.ts"

/**
 * The states of a connection. RFC 9000 §10
 *
 * ```
 *   handshaking ──► established ──► closing ──► draining ──► closed
 *        │               │             └────────────────────────▲
 *        ├───────────────┴──► draining ─────────────────────────┤
 *        └──────────────────────────────────────────────────────┘
 * ```
 */
export type LifecycleState = "handshaking" | "established" | "closing" | "draining" | "closed"

/** Every legal transition; anything else is refused. */
export const lifecycleTransitions = moves<LifecycleState>({
  handshaking: ["established", "closing", "draining", "closed"],
  established: ["closing", "draining", "closed"],
  closing: ["draining", "closed"],
  draining: ["closed"],
  closed: []
})

/** Who ended the connection, and how. */
export type CloseOrigin =
  /** this side sent CONNECTION_CLOSE */
  | "local"
  /** the peer sent CONNECTION_CLOSE */
  | "peer"
  /** nothing was received within the idle timeout. RFC 9000 §10.1 */
  | "idleTimeout"
  /** the handshake did not complete in time */
  | "handshakeTimeout"
  /** the peer lost its state and sent a stateless reset. RFC 9000 §10.3 */
  | "statelessReset"
  /** no version in common. RFC 9000 §6.2 */
  | "versionNegotiation"

/** Why a connection ended. */
export interface CloseReason {
  readonly origin: CloseOrigin
  /** true for the application's own codes (0x1d), false for transport codes (0x1c). */
  readonly application: boolean
  readonly code: number
  readonly frameType: number
  readonly reason: string
}

export class Lifecycle extends StateMachine<LifecycleState> {
  /** Set once, by the transition that closed the connection. */
  closeReason: CloseReason | undefined = undefined

  constructor() {
    super(lifecycleTransitions, "handshaking")
  }

  /** Neither closing, draining nor closed. */
  get isOpen(): boolean {
    return this.state === "handshaking" || this.state === "established"
  }
}

/** The reason of a close without CONNECTION_CLOSE. */
export const silentClose = (origin: CloseReason["origin"]): CloseReason => ({
  origin,
  application: false,
  code: 0,
  frameType: 0,
  reason: ""
})
