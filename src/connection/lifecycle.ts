import { moves, StateMachine } from "../internal/TransitionTable.ts"

/**
 * The life of a connection. RFC 9000 §10
 *
 * ```
 *   handshaking ──► established ──► closing ──► draining ──► closed
 *        │               │             └────────────────────────▲
 *        ├───────────────┴──► draining ─────────────────────────┤
 *        └──────────────────────────────────────────────────────┘
 * ```
 */
export type LifecycleState = "handshaking" | "established" | "closing" | "draining" | "closed"

/** Every legal transition; what is not listed is refused. */
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
  /** nothing was heard for the idle timeout. RFC 9000 §10.1 */
  | "idleTimeout"
  /** the handshake did not finish in time */
  | "handshakeTimeout"
  /** the peer lost its state and said so. RFC 9000 §10.3 */
  | "statelessReset"
  /** no version in common. RFC 9000 §6.2 */
  | "versionNegotiation"

/** Why a connection is no more. */
export interface CloseReason {
  readonly origin: CloseOrigin
  /** true for the application's own codes (0x1d), false for transport codes (0x1c). */
  readonly application: boolean
  readonly code: number
  readonly frameType: number
  readonly reason: string
}

export class Lifecycle extends StateMachine<LifecycleState> {
  /** Set once, by the transition that ended the connection. */
  closeReason: CloseReason | undefined = undefined

  constructor() {
    super(lifecycleTransitions, "handshaking")
  }

  /** Neither closing, draining nor closed. */
  get isOpen(): boolean {
    return this.state === "handshaking" || this.state === "established"
  }
}

/** Of an end that nobody is told of. */
export const silentEnd = (origin: CloseReason["origin"]): CloseReason => ({
  origin,
  application: false,
  code: 0,
  frameType: 0,
  reason: ""
})
