import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { SendCredit } from "./FlowControl.ts"
import type { StreamEvents } from "./RecordQueue.ts"
import { type StreamControlFrames, streamsBlocked } from "./StreamControlFrames.ts"
import type { StreamDirectory } from "./StreamDirectory.ts"
import { isReduced, type StreamLimits } from "./StreamLimits.ts"
import { StreamControl } from "./StreamRecord.ts"
import type { StreamSender } from "./StreamSender.ts"

/**
 * The peer's limits: remembered for 0-RTT, declared in the handshake, raised later. Holds streams opened under
 * remembered limits that the peer no longer grants.
 */
export class PeerLimits {
  /** draft-ietf-quic-reliable-stream-reset §3 */
  supportsResetAt = false
  private remembered: StreamLimits | undefined = undefined
  private readonly directory: StreamDirectory
  private readonly credit: SendCredit
  private readonly control: StreamControlFrames
  private readonly sender: StreamSender
  private readonly events: StreamEvents

  constructor(
    directory: StreamDirectory,
    credit: SendCredit,
    control: StreamControlFrames,
    sender: StreamSender,
    events: StreamEvents
  ) {
    this.directory = directory
    this.credit = credit
    this.control = control
    this.sender = sender
    this.events = events
  }

  apply(peer: StreamLimits, remembered: boolean): TransportError | undefined {
    if (remembered) this.remembered = peer
    // RFC 9000 §7.4.1: a server that accepts 0-RTT data MUST NOT reduce these limits
    else if (this.remembered !== undefined && isReduced(this.remembered, peer))
      return new TransportError(
        TransportErrorCode.PROTOCOL_VIOLATION,
        "0-RTT was accepted with lower limits than the remembered ones"
      )
    this.supportsResetAt = peer.resetStreamAt === true
    this.credit.raise(peer.initialMaxData)
    this.directory.applyPeerLimits(peer)
    for (const unidirectional of [false, true]) {
      if (this.directory.localCount(unidirectional).available === 0) continue
      this.events.openable |= unidirectional ? 2 : 1
      this.control.cancel(streamsBlocked(unidirectional))
    }
    this.updateHeldStreams()
    this.reportHeldStreams(false)
    this.reportHeldStreams(true)
    return undefined
  }

  // RFC 9001 §4.6.2 #2: the client discards its assumptions about the connection, and resends everything
  onEarlyDataRejected(): void {
    this.remembered = undefined
    this.credit.limit = 0
    this.credit.used = 0
    this.credit.blockedAt = -1
    this.directory.forgetPeerLimits()
    this.control.forgetBlocked()
    for (const { send } of this.directory.records.values()) send?.rewind()
    this.updateHeldStreams()
  }

  /** Returns whether it raised the limit. */
  onMaxStreams(unidirectional: boolean, limit: number): boolean {
    const count = this.directory.localCount(unidirectional)
    const before = count.limit
    if (!count.raise(limit)) return false
    this.control.cancel(streamsBlocked(unidirectional))
    this.events.openable |= unidirectional ? 2 : 1
    if (count.opened > before) this.updateHeldStreams()
    this.reportHeldStreams(unidirectional)
    return true
  }

  /** Reports streams opened under remembered limits as blocked by the peer's real limit. RFC 9000 §4.6 */
  private reportHeldStreams(unidirectional: boolean): void {
    const count = this.directory.localCount(unidirectional)
    if (count.opened > count.limit) this.control.queueStreamsBlocked(unidirectional)
  }

  /** Holds the streams that exceed the peer's limit, and releases those that no longer do. */
  private updateHeldStreams(): void {
    for (const record of this.directory.records.values()) {
      const { send, receive } = record
      if (send === undefined) continue
      if (send.reset !== undefined && !this.supportsResetAt) send.abandon(send.reset.code, false, 0)
      send.isHeld = this.directory.isOverLimit(record.id)
      if (send.isHeld) this.control.cancelFor(record, record.control)
      else if (receive?.isStopped && receive.isIncomplete)
        this.control.queueFor(record, StreamControl.stopSending)
      this.sender.refresh(record)
    }
  }
}
