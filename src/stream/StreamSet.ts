import type { SentFrame, SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import type { TransportError } from "../wire/TransportError.ts"
import type { LocalStreamLimits, Role, StreamLimits } from "./StreamLimits.ts"
import type { ReceiveOutcome, SendOutcome } from "./StreamOutcome.ts"

type Result = TransportError | undefined

/** All streams of one connection. It knows nothing of packets. */
export class StreamSet {
  readonly role: Role
  readonly local: LocalStreamLimits

  constructor(role: Role, local: LocalStreamLimits) {
    this.role = role
    this.local = local
  }

  /** `remembered`: limits of an earlier connection, for 0-RTT, until the real ones come. RFC 9000 §7.4.1 */
  applyPeerLimits(_peer: StreamLimits, _remembered = false): Result {
    return undefined
  }

  /** The server took none of our 0-RTT data: everything is to be sent again. Call it before the real `applyPeerLimits`. */
  onEarlyDataRejected(): void {}

  // commands

  /** The new stream's id, or -1 when the peer's limit does not allow another. */
  open(_unidirectional: boolean): number {
    return -1
  }

  /** How many of `bytes` were accepted. They are not copied when large: leave them unmodified until acknowledged. */
  write(_id: number, _bytes: Uint8Array): number {
    return 0
  }

  finish(_id: number): void {}
  reset(_id: number, _code: number): void {}

  /** Resets but still delivers the first `reliableSize` bytes; false when the peer does not know how. */
  resetAt(_id: number, _code: number, _reliableSize: number): boolean {
    return false
  }

  stop(_id: number, _code: number): void {}

  /** Higher goes first; 0 to begin with. */
  setPriority(_id: number, _priority: number): void {}

  /** The next bytes, 1 … `max`, or undefined when there are none now or `receiveOutcome` is no longer open. */
  read(_id: number, _max: number): Uint8Array | undefined {
    return undefined
  }

  // received frames

  onStream(
    _id: number,
    _offset: number,
    _bytes: Uint8Array,
    _start: number,
    _end: number,
    _fin: boolean
  ): Result {
    return undefined
  }
  onResetStream(_id: number, _errorCode: number, _finalSize: number): Result {
    return undefined
  }
  onResetStreamAt(_id: number, _errorCode: number, _finalSize: number, _reliableSize: number): Result {
    return undefined
  }
  onStopSending(_id: number, _errorCode: number): Result {
    return undefined
  }
  onMaxData(_limit: number): Result {
    return undefined
  }
  onMaxStreamData(_id: number, _limit: number): Result {
    return undefined
  }
  onMaxStreams(_unidirectional: boolean, _limit: number): Result {
    return undefined
  }
  onDataBlocked(_limit: number): Result {
    return undefined
  }
  onStreamDataBlocked(_id: number, _limit: number): Result {
    return undefined
  }
  onStreamsBlocked(_unidirectional: boolean, _limit: number): Result {
    return undefined
  }

  // sending

  hasFrames(): boolean {
    return false
  }
  writeFrames(_w: ByteWriter, _sent: SentFrames, _nowMicros: number, _rttMicros: number): void {}
  onAcked(_kind: SentFrame, _a: number, _b: number, _c: number): void {}
  /** Also for a packet that is only feared lost, when a probe is to carry its frames again. */
  onLost(_kind: SentFrame, _a: number, _b: number, _c: number): void {}

  // dirty lists: each id once until polled, -1 when there is none

  /** Opened by the peer, in order. */
  pollOpened(): number {
    return -1
  }
  /** There are bytes, or the end, or a reset to read. */
  pollReadable(): number {
    return -1
  }
  /** There is room after a `write` was cut short; or `sendOutcome` changed: all acknowledged, or stopped. */
  pollWritable(): number {
    return -1
  }
  /** The peer sent STOP_SENDING. */
  pollStopped(): number {
    return -1
  }
  /** Ended both ways. Its outcomes can be asked until the next call of this method; then it is forgotten. */
  pollClosed(): number {
    return -1
  }
  /** True, once, after the peer allowed more streams than before. */
  pollOpenable(_unidirectional: boolean): boolean {
    return false
  }

  // getters

  receiveOutcome(_id: number): ReceiveOutcome {
    return { _tag: "none" }
  }
  sendOutcome(_id: number): SendOutcome {
    return { _tag: "none" }
  }
  readableBytes(_id: number): number {
    return 0
  }
  /** How many bytes `write` would accept now. */
  writableBytes(_id: number): number {
    return 0
  }
  /** How many streams `open` would open now. */
  openable(_unidirectional: boolean): number {
    return 0
  }
}
