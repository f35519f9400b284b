import type { ReceiveWindow } from "./FlowControl.ts"
import { ConnectionControl, type StreamControlFrames, streamsBlocked } from "./StreamControlFrames.ts"
import type { StreamDirectory } from "./StreamDirectory.ts"
import { StreamControl, StreamMark } from "./StreamRecord.ts"
import type { StreamSender } from "./StreamSender.ts"

/**
 * Detects that flow control blocks either side. Then nothing is in flight and no timer runs, so both sides would stay
 * silent until the idle timeout, or until a NAT drops the mapping. The blocked side therefore repeats its BLOCKED
 * frames from time to time and, later, the blocking side its limits, as it may be the one behind the NAT.
 * RFC 9000 §4.1 #S2, §4.6
 */
export class FlowControlStall {
  private readonly directory: StreamDirectory
  private readonly window: ReceiveWindow
  private readonly control: StreamControlFrames
  private readonly sender: StreamSender

  constructor(
    directory: StreamDirectory,
    window: ReceiveWindow,
    control: StreamControlFrames,
    sender: StreamSender
  ) {
    this.directory = directory
    this.window = window
    this.control = control
    this.sender = sender
  }

  /** Whether the peer's limits keep this side from sending data or opening a stream. */
  get isBlocked(): boolean {
    const { sender, directory } = this
    return (
      sender.blockedStreams > 0 ||
      sender.isConnectionBlocked ||
      directory.localBidi.isBlocked ||
      directory.localUni.isBlocked
    )
  }

  /** Whether the peer has reported that our limits block it. */
  get isPeerBlocked(): boolean {
    const { control, directory, window } = this
    return (
      control.peerBlockedStreams > 0 ||
      window.isPeerBlocked ||
      directory.peerBidi.isPeerBlocked ||
      directory.peerUni.isPeerBlocked
    )
  }

  /** Queues BLOCKED frames for the limits that block us, and grants what can be granted to a blocked peer. */
  repeatFrames(): void {
    const { sender, control, isPeerBlocked } = this
    if (sender.isConnectionBlocked) control.queue(ConnectionControl.dataBlocked)
    else if (sender.blockedStreams > 0) this.repeatStreamDataBlocked()
    this.repeatStreamsBlocked(false)
    this.repeatStreamsBlocked(true)
    if (!isPeerBlocked) return
    control.queue(ConnectionControl.maxData)
    if (control.peerBlockedStreams === 0) return
    for (const record of this.directory.records.values())
      if (record.is(StreamMark.peerBlocked) && record.receive!.window.ungranted > 0)
        control.queueFor(record, StreamControl.maxStreamData)
  }

  private repeatStreamDataBlocked(): void {
    for (const record of this.directory.records.values())
      if (record.is(StreamMark.blocked)) return this.control.queueFor(record, StreamControl.streamDataBlocked)
  }

  private repeatStreamsBlocked(unidirectional: boolean): void {
    const { directory, control } = this
    if (directory.localCount(unidirectional).isBlocked) control.queue(streamsBlocked(unidirectional))
    // there is no frame that withdraws STREAMS_BLOCKED, so the peer must repeat it while it is still blocked
    directory.peerCount(unidirectional).peerBlockedAt = -1
  }
}
