import { printable } from "../internal/printable.ts"
import { Level } from "../wire/PacketType.ts"
import { type TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import { type CloseReason, type Lifecycle, silentEnd } from "./lifecycle.ts"

/**
 * The end of a connection: what CONNECTION_CLOSE says, how often it is repeated, and for how long the connection ID
 * is kept alive to answer stragglers. RFC 9000 §10.2 #S1
 */
export class Closer {
  /** CONNECTION_CLOSE is to be sent (again). */
  pending = false
  /** When closing or draining ends. */
  deadlineMicros = Number.POSITIVE_INFINITY
  private readonly lifecycle: Lifecycle
  private readonly events: Array<ConnectionEvent>
  private readonly ptoMicros: () => number
  /** Nobody is owed more than one word: see `Connection.isStranger`. */
  readonly isStranger: () => boolean
  private isSaidOnce = false
  /** Since this side has closed: datagrams and bytes that came, bytes of the close, and of its repetitions. */
  private received = 0
  private receivedBytes = 0
  private closeBytes = 0
  private repeatedBytes = 0

  constructor(
    lifecycle: Lifecycle,
    events: Array<ConnectionEvent>,
    ptoMicros: () => number,
    isStranger: () => boolean
  ) {
    this.lifecycle = lifecycle
    this.events = events
    this.ptoMicros = ptoMicros
    this.isStranger = isStranger
  }

  get reason(): CloseReason | undefined {
    return this.lifecycle.closeReason
  }

  /** This side ends the connection, and says so. RFC 9000 §10.3 #1 */
  close(reason: CloseReason, nowMicros: number): void {
    if (!this.lifecycle.to("closing")) return
    this.lifecycle.closeReason = reason
    this.pending = true
    this.deadlineMicros = nowMicros + 3 * this.ptoMicros()
    this.events.push({ _tag: "closed" })
  }

  // RFC 9000 §11 #S1 #S2, §11.1 #1
  closeWithError(error: TransportError, nowMicros: number): void {
    const { code, frameType } = error
    // what is wrong may be quoted from the peer, and travels back in CONNECTION_CLOSE
    const reason = printable(error.reason)
    this.close({ origin: "local", application: false, code, frameType, reason }, nowMicros)
  }

  /** RFC 9000 §10.2.2 #1 #2: after the peer's CONNECTION_CLOSE we send nothing any more. */
  onPeerClose(reason: CloseReason, nowMicros: number): void {
    this.drain(reason, nowMicros)
  }

  /** Ends without a word on the wire, then waits for stragglers: stateless reset and peer close. */
  drain(reason: CloseReason, nowMicros: number): void {
    if (this.isStranger()) return this.discard(reason)
    const wasOpen = this.lifecycle.isOpen
    if (!this.lifecycle.to("draining")) return
    this.pending = false
    // closed by this side before: why, and for how long it drains, was settled then
    if (!wasOpen) return
    this.lifecycle.closeReason = reason
    this.deadlineMicros = nowMicros + 3 * this.ptoMicros()
    this.events.push({ _tag: "closed" })
  }

  /** Ends at once: idle and handshake timeouts, version negotiation. §10.1 */
  discard(reason: CloseReason): void {
    const wasOpen = this.lifecycle.isOpen
    if (!this.lifecycle.to("closed")) return
    this.pending = false
    this.deadlineMicros = Number.POSITIVE_INFINITY
    if (wasOpen) {
      this.lifecycle.closeReason = reason
      this.events.push({ _tag: "closed" })
    }
    this.events.push({ _tag: "drained" })
  }

  /**
   * The handshake took too long. The peer, for whom it may be complete, is told: once, unless we stay to answer those who
   * have not heard it.
   */
  giveUp(nowMicros: number, stays: boolean): void {
    this.isSaidOnce = !stays
    const reason = "the handshake took too long"
    const code = TransportErrorCode.CONNECTION_REFUSED
    this.close({ ...silentEnd("handshakeTimeout"), code, reason }, nowMicros)
  }

  /** CONNECTION_CLOSE has left, or cannot: to a stranger it is said once. */
  onTold(): void {
    if (this.lifecycle.state === "closing" && (this.isSaidOnce || this.isStranger()))
      this.discard(this.lifecycle.closeReason!)
  }

  /** A datagram with CONNECTION_CLOSE has left. */
  onSent(bytes: number): void {
    this.pending = false
    if (this.closeBytes > 0) this.repeatedBytes += bytes
    this.closeBytes = bytes
  }

  /**
   * A closing endpoint answers what still arrives, ever less often: after 1, 2, 4, 8 … datagrams. They are not read, and
   * anyone can have sent them, so what is repeated stays within three times what came. RFC 9000 §10.2.1 #1 #S1, §11.1 #S1
   */
  onStraggler(bytes: number): void {
    if (this.lifecycle.state !== "closing") return
    this.received++
    this.receivedBytes += bytes
    if ((this.received & (this.received - 1)) !== 0) return
    if (this.repeatedBytes + this.closeBytes <= 3 * this.receivedBytes) this.pending = true
  }

  onTimeout(nowMicros: number): void {
    if (nowMicros >= this.deadlineMicros) this.discard(this.lifecycle.closeReason!)
  }

  /**
   * What CONNECTION_CLOSE at `level` says. RFC 9000 §10.2.3 #2 #3, §12.5 #1: Initial and Handshake packets can be read by
   * others, so an application's code and reason stay out of them. §10.2.3 #S4
   */
  frameAt(level: Level): { application: boolean; code: number; frameType: number; reason: string } {
    const reason = this.lifecycle.closeReason!
    if (reason.application && level !== Level.OneRtt)
      return { application: false, code: TransportErrorCode.APPLICATION_ERROR, frameType: 0, reason: "" }
    return reason
  }
}
