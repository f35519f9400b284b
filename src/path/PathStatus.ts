import { StateMachine } from "../internal/TransitionTable.ts"
import { type PathState, pathTransitions } from "./pathState.ts"

/** Who gave a path up, and the code of its PATH_ABANDON. draft-ietf-quic-multipath §4.2.1 */
export interface Abandonment {
  readonly by: "local" | "peer"
  readonly code: number
}

/** Where a path is in its life, and what both sides have told each other about its use. draft-ietf-quic-multipath §3.3 */
export class PathStatus extends StateMachine<PathState> {
  /** Data may be sent on it now. Of a path that does not carry it, only what concerns the path itself is sent. */
  carries: boolean
  /** It would carry data, but the scheduler waits for another: only what has a hint is sent on it. */
  isPassedOver = false
  /** Since when it has been suspect: probes are not answered, and nothing has arrived on it either. */
  silentSinceMicros = Number.POSITIVE_INFINITY
  /** While it is suspect: what was in flight on it is sent again on others, up to this packet. */
  repeatedNumber = -1
  /** When an authentic packet arrived on it last. */
  arrivedMicros = Number.NEGATIVE_INFINITY
  /** We prefer other paths, once it is validated. */
  isBackup = false
  /** What the application says data on it costs, compared to other paths. */
  cost = 0
  /** The peer prefers that we use others. */
  isPeerBackup = false
  /** Of the status frame sent last. */
  sequence = -1
  /** When the state of a path that is closing is dropped. */
  removeAtMicros = Number.POSITIVE_INFINITY
  /** Once it has been given up. */
  abandonment: Abandonment | undefined = undefined
  private peerSequence = -1

  /** The path of the handshake starts as `active`. */
  constructor(initial: PathState) {
    super(pathTransitions, initial)
    this.carries = initial === "active"
  }

  /** It exists on the wire: packets were sent or received on it, and neither side has abandoned it. */
  get isOpen(): boolean {
    return this.isUsable || this.state === "validating" || this.state === "validated"
  }

  /** Probes are not answered while data is in flight: nothing new is entrusted to it. */
  get isSuspect(): boolean {
    return this.silentSinceMicros !== Number.POSITIVE_INFINITY
  }

  /** Validated, and not abandoned: whether it carries data is up to its own status and that of others. */
  get isUsable(): boolean {
    return this.state === "active" || this.state === "standby"
  }

  /** Abandoned. Nothing is sent on it any more. */
  get isEnding(): boolean {
    return this.state === "closing" || this.state === "failed"
  }

  /** PATH_STATUS_BACKUP or _AVAILABLE. False when a later one has arrived before. draft-ietf-quic-multipath §4.3 */
  onPeerStatus(sequence: number, isBackup: boolean): boolean {
    if (sequence <= this.peerSequence) return false
    this.peerSequence = sequence
    this.isPeerBackup = isBackup
    return true
  }
}
