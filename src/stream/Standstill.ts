import type { ReceiveWindow } from "./FlowControl.ts"
import { ConnectionControl, type StreamControlFrames, streamsBlocked } from "./StreamControlFrames.ts"
import type { StreamDirectory } from "./StreamDirectory.ts"
import { StreamControl } from "./StreamRecord.ts"
import type { StreamSender } from "./StreamSender.ts"

/**
 * Whether flow control keeps a side from going on. Then nothing is in flight, no timer runs, and both sides would fall
 * silent until the connection is idle or a NAT on the way has forgotten it: so what holds them up is said again from time
 * to time, by the one that waits and, later, by the one that is waited for, who may be the one behind the NAT.
 * RFC 9000 §4.1 #S2, §4.6
 */
export class Standstill {
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

  /** This side has something to send, or a stream to open, and the peer does not let it. */
  get isBlocked(): boolean {
    const { sender, directory } = this
    return (
      sender.blockedStreams > 0 ||
      sender.isConnectionBlocked ||
      directory.localBidi.isBlocked ||
      directory.localUni.isBlocked
    )
  }

  /** The peer has said that this side does not let it go on. */
  get holdsPeerBack(): boolean {
    const { control, directory, window } = this
    return (
      control.heldBackStreams > 0 ||
      window.holdsPeerBack ||
      directory.peerBidi.holdsPeerBack ||
      directory.peerUni.holdsPeerBack
    )
  }

  /** Something of what holds either side up is to be said again; whatever can be granted by now is. */
  restate(): void {
    const { sender, control, holdsPeerBack } = this
    if (sender.isConnectionBlocked) control.want(ConnectionControl.dataBlocked)
    else if (sender.blockedStreams > 0) this.restateBlockedStream()
    this.restateStreamCount(false)
    this.restateStreamCount(true)
    if (!holdsPeerBack) return
    control.want(ConnectionControl.maxData)
    if (control.heldBackStreams === 0) return
    for (const record of this.directory.records.values())
      if (record.isPeerHeldBack && record.receive!.window.ungranted > 0)
        control.wantFor(record, StreamControl.maxStreamData)
  }

  private restateBlockedStream(): void {
    for (const record of this.directory.records.values())
      if (record.isBlocked) return this.control.wantFor(record, StreamControl.streamDataBlocked)
  }

  private restateStreamCount(unidirectional: boolean): void {
    const { directory, control } = this
    if (directory.localCount(unidirectional).isBlocked) control.want(streamsBlocked(unidirectional))
    // nobody says when it has stopped waiting for a stream, so it has to say again that it does
    directory.peerCount(unidirectional).peerBlockedAt = -1
  }
}
