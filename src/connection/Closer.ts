import { printable } from "../internal/printable.ts"
import type { Role } from "../wire/Role.ts"
import { Level } from "../wire/PacketType.ts"
import { type TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import { type CloseReason, type Lifecycle, silentClose } from "./lifecycle.ts"

/** What the end of a connection depends on. */
interface ClosedConnection {
  readonly lifecycle: Lifecycle
  readonly events: Array<ConnectionEvent>
  readonly config: { readonly role: Role }
  readonly handshake: { readonly complete: boolean }
  readonly paths: {
    readonly ptoMicros: number
    readonly active: { readonly amplification: { readonly validated: boolean } }
  }
}

/**
 * Closes a connection: the content of CONNECTION_CLOSE, how often it is repeated, and how long the closing and
 * draining states last. RFC 9000 §10.2 #S1
 */
export class Closer {
  /** A CONNECTION_CLOSE has to be sent (again). */
  pending = false
  /** When the closing or draining state ends. */
  deadlineMicros = Number.POSITIVE_INFINITY
  private readonly connection: ClosedConnection
  private isSaidOnce = false
  /** Counted from the local close: datagrams and bytes received, the size of the close, bytes of its repetitions. */
  private received = 0
  private receivedBytes = 0
  private closeBytes = 0
  private repeatedBytes = 0

  constructor(connection: ClosedConnection) {
    this.connection = connection
  }

  private get lifecycle(): Lifecycle {
    return this.connection.lifecycle
  }

  /**
   * server: the client has neither completed the handshake nor validated its address. It gets a single CONNECTION_CLOSE, and
   * no closing or draining state, since the address may be forged. RFC 9000 §8.1, §21.2
   */
  get isStranger(): boolean {
    const { config, handshake, paths } = this.connection
    return config.role === "server" && !handshake.complete && !paths.active.amplification.validated
  }

  get reason(): CloseReason | undefined {
    return this.lifecycle.closeReason
  }

  /**
   * Closes the connection locally with a CONNECTION_CLOSE, and answers with it for at least `lingerMicros`, so that a peer
   * that cannot be reached now learns of it later. RFC 9000 §10.3 #1
   */
  close(reason: CloseReason, nowMicros: number, lingerMicros = 0): void {
    if (!this.lifecycle.to("closing")) return
    this.lifecycle.closeReason = reason
    this.pending = true
    this.deadlineMicros = nowMicros + Math.max(3 * this.connection.paths.ptoMicros, lingerMicros)
    this.connection.events.push({ _tag: "closed" })
  }

  /** Closes it as the application asks: see `close`. */
  closeForApplication(code: number, reason: string, nowMicros: number, lingerMicros: number): void {
    const close = { origin: "local", application: true, code, frameType: 0, reason } as const
    this.close(close, nowMicros, lingerMicros)
  }

  // RFC 9000 §11 #S1 #S2, §11.1 #1
  closeWithError(error: TransportError, nowMicros: number): void {
    const { code, frameType } = error
    // the reason may quote the peer and goes back in CONNECTION_CLOSE
    const reason = printable(error.reason)
    this.close({ origin: "local", application: false, code, frameType, reason }, nowMicros)
  }

  /** RFC 9000 §10.2.2 #1 #2: nothing is sent after the peer's CONNECTION_CLOSE. */
  onPeerClose(reason: CloseReason, nowMicros: number): void {
    this.drain(reason, nowMicros)
  }

  /** Enters the draining state without sending anything: on a stateless reset or the peer's close. */
  drain(reason: CloseReason, nowMicros: number): void {
    if (this.isStranger) return this.discard(reason)
    const wasOpen = this.lifecycle.isOpen
    if (!this.lifecycle.to("draining")) return
    this.pending = false
    // already closed locally: the reason and the deadline are set
    if (!wasOpen) return
    this.lifecycle.closeReason = reason
    this.deadlineMicros = nowMicros + 3 * this.connection.paths.ptoMicros
    this.connection.events.push({ _tag: "closed" })
  }

  /** Closes at once and silently: idle and handshake timeouts, version negotiation. §10.1 */
  discard(reason: CloseReason): void {
    const wasOpen = this.lifecycle.isOpen
    if (!this.lifecycle.to("closed")) return
    this.pending = false
    this.deadlineMicros = Number.POSITIVE_INFINITY
    if (wasOpen) {
      this.lifecycle.closeReason = reason
      this.connection.events.push({ _tag: "closed" })
    }
    this.connection.events.push({ _tag: "drained" })
  }

  /**
   * The handshake timed out. It may be complete for the peer, so a CONNECTION_CLOSE is sent: once, unless `stays` keeps
   * the closing state to answer later packets.
   */
  giveUp(nowMicros: number, stays: boolean): void {
    this.isSaidOnce = !stays
    const reason = "the handshake took too long"
    const code = TransportErrorCode.CONNECTION_REFUSED
    this.close({ ...silentClose("handshakeTimeout"), code, reason }, nowMicros)
  }

  /** CONNECTION_CLOSE was sent, or cannot be: an unvalidated client gets it only once. */
  onCloseSent(): void {
    if (this.lifecycle.state === "closing" && (this.isSaidOnce || this.isStranger))
      this.discard(this.lifecycle.closeReason!)
  }

  /** A datagram with CONNECTION_CLOSE was sent. */
  onSent(bytes: number): void {
    this.pending = false
    if (this.closeBytes > 0) this.repeatedBytes += bytes
    this.closeBytes = bytes
  }

  /**
   * In the closing state, repeats CONNECTION_CLOSE after 1, 2, 4, 8 … datagrams. They are not authenticated, so the
   * repetitions stay within three times the bytes received. RFC 9000 §10.2.1 #1 #S1, §11.1 #S1
   */
  onDatagramWhileClosing(bytes: number): void {
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
   * The CONNECTION_CLOSE fields for `level`. RFC 9000 §10.2.3 #2 #3, §12.5 #1: others can read Initial and Handshake
   * packets, so they never carry the application's code and reason. §10.2.3 #S4
   */
  frameAt(level: Level): { application: boolean; code: number; frameType: number; reason: string } {
    const reason = this.lifecycle.closeReason!
    if (reason.application && level !== Level.OneRtt)
      return { application: false, code: TransportErrorCode.APPLICATION_ERROR, frameType: 0, reason: "" }
    return reason
  }
}
