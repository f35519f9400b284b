import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { SendCredit } from "./FlowControl.ts"
import type { StreamNews } from "./RecordQueue.ts"
import { type StreamControlFrames, streamsBlocked } from "./StreamControlFrames.ts"
import type { StreamDirectory } from "./StreamDirectory.ts"
import { isReduced, type StreamLimits } from "./StreamLimits.ts"
import { StreamControl } from "./StreamRecord.ts"
import type { StreamSender } from "./StreamSender.ts"

/**
 * What the peer allows us, as it becomes known: remembered for 0-RTT, declared in the handshake, raised later; and
 * what becomes of streams that were opened under limits it does not honour.
 */
export class PeerLimits {
  /** draft-ietf-quic-reliable-stream-reset §3 */
  takesResetAt = false
  private remembered: StreamLimits | undefined = undefined
  private readonly directory: StreamDirectory
  private readonly credit: SendCredit
  private readonly control: StreamControlFrames
  private readonly sender: StreamSender
  private readonly news: StreamNews

  constructor(
    directory: StreamDirectory,
    credit: SendCredit,
    control: StreamControlFrames,
    sender: StreamSender,
    news: StreamNews
  ) {
    this.directory = directory
    this.credit = credit
    this.control = control
    this.sender = sender
    this.news = news
  }

  apply(peer: StreamLimits, remembered: boolean): TransportError | undefined {
    if (remembered) this.remembered = peer
    // RFC 9000 §7.4.1: a server that accepts 0-RTT data MUST NOT reduce these limits
    else if (this.remembered !== undefined && isReduced(this.remembered, peer))
      return new TransportError(
        TransportErrorCode.PROTOCOL_VIOLATION,
        "0-RTT was accepted, with lower limits than were remembered"
      )
    this.takesResetAt = peer.resetStreamAt === true
    this.credit.raise(peer.initialMaxData)
    this.directory.applyPeerLimits(peer)
    for (const unidirectional of [false, true]) {
      if (this.directory.localCount(unidirectional).available === 0) continue
      this.news.openable |= unidirectional ? 2 : 1
      this.control.unwant(streamsBlocked(unidirectional))
    }
    this.settleStreams()
    this.noteHeld(false)
    this.noteHeld(true)
    return undefined
  }

  // RFC 9001 §4.6.2 #2: what the client assumed of the connection is void, and so is everything it has sent
  onEarlyDataRejected(): void {
    this.remembered = undefined
    this.credit.limit = 0
    this.credit.used = 0
    this.credit.blockedAt = -1
    this.directory.forgetPeerLimits()
    this.control.forgetBlocked()
    for (const { send } of this.directory.records.values()) send?.rewind()
    this.settleStreams()
  }

  onMaxStreams(unidirectional: boolean, limit: number): void {
    const count = this.directory.localCount(unidirectional)
    const before = count.limit
    if (!count.raise(limit)) return
    this.control.unwant(streamsBlocked(unidirectional))
    this.news.openable |= unidirectional ? 2 : 1
    if (count.opened > before) this.settleStreams()
    this.noteHeld(unidirectional)
  }

  /** Streams that were opened under remembered limits wait for more than there is. RFC 9000 §4.6 */
  private noteHeld(unidirectional: boolean): void {
    const count = this.directory.localCount(unidirectional)
    if (count.opened > count.limit) this.control.noteStreamsBlocked(unidirectional)
  }

  /** Streams opened under remembered limits wait until the peer allows them, and may then go. */
  private settleStreams(): void {
    for (const record of this.directory.records.values()) {
      const { send, receive } = record
      if (send === undefined) continue
      if (send.reset !== undefined && !this.takesResetAt) send.abandon(send.reset.code, false, 0)
      send.isHeld = this.directory.isOverLimit(record.id)
      if (send.isHeld) this.control.unwantFor(record, record.control)
      else if (receive?.isStopped && receive.isIncomplete)
        this.control.wantFor(record, StreamControl.stopSending)
      this.sender.refresh(record)
    }
  }
}
