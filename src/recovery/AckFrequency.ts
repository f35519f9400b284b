import type { ByteWriter } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import { writeAckFrequency, writeImmediateAck } from "../wire/frameWriters.ts"
import type { FrameOwner } from "./FrameOwner.ts"
import type { SentFrames } from "./SentFrames.ts"

/** The most an ACK_FREQUENCY frame takes. */
const frameBytes = 2 + 4 * 8
/** The default without ACK_FREQUENCY: one ACK for every second packet. RFC 9000 §13.2.2 */
const defaultPackets = 2
/** At least one ACK per this many packets, however fast the path. */
const maxPackets = 16
/** ACKs per window: loss detection, HyStart++ (eight samples per round trip) and BBR depend on them. */
const acksPerWindow = 16
/** The requested delay as a fraction of the round-trip time. */
const delayPerRtt = 1 / 4

/** Is told which max_ack_delay to assume: the largest in force or in flight. draft-ietf-quic-ack-frequency §8 */
interface AckDelayUser {
  setPeerMaxAckDelay(micros: number): void
}

/** The fields of an ACK_FREQUENCY frame. */
export interface AckRequest {
  sequence: number
  threshold: number
  maxAckDelayMicros: number
  reordering: number
}

/**
 * Decides which ACK_FREQUENCY to request: the more packets per round trip, the fewer ACKs. Requests again when the
 * desired value has doubled or halved, or when loss detection has become more tolerant of reordering.
 * draft-ietf-quic-ack-frequency §9
 */
export class AckFrequency implements FrameOwner {
  /** -1 when the peer does not support ACK_FREQUENCY. */
  private minAckDelayMicros = -1
  private ownMaxAckDelayMicros = 0
  private readonly request: AckRequest = { sequence: -1, threshold: 1, maxAckDelayMicros: 0, reordering: 1 }
  private pending = false
  /** Whether no request is awaiting acknowledgment. */
  private isAcknowledged = true
  /** The largest delay among the requests in flight and the one already in force. */
  private largestDelayMicros = 0

  private readonly recovery: AckDelayUser

  constructor(recovery: AckDelayUser) {
    this.recovery = recovery
  }

  /** The peer's min_ack_delay and max_ack_delay. */
  start(minAckDelayMicros: number, maxAckDelayMicros: number): void {
    this.minAckDelayMicros = minAckDelayMicros
    this.ownMaxAckDelayMicros = maxAckDelayMicros
    this.request.maxAckDelayMicros = maxAckDelayMicros
    this.largestDelayMicros = maxAckDelayMicros
  }

  /** Whether the peer supports ACK_FREQUENCY and IMMEDIATE_ACK frames. */
  get isSupported(): boolean {
    return this.minAckDelayMicros >= 0
  }

  hasFrames(): boolean {
    return this.pending
  }

  writeFrames(w: ByteWriter, sent: SentFrames): void {
    if (!this.pending || w.remaining < frameBytes) return
    const { sequence, threshold, maxAckDelayMicros, reordering } = this.take()
    writeAckFrequency(w, sequence, threshold, maxAckDelayMicros, reordering)
    sent.push(FrameType.ACK_FREQUENCY, sequence)
  }

  /** For a packet whose acknowledgement is awaited with impatience. draft-ietf-quic-ack-frequency §5 */
  writeImmediateAck(w: ByteWriter): void {
    if (this.isSupported) writeImmediateAck(w)
  }

  /** Called after each RTT sample; the window is in datagrams. */
  onMeasured(windowPackets: number, rttMicros: number, packetThreshold: number): void {
    // one request at a time: the last must be acknowledged before the next
    if (!this.isSupported || !this.isAcknowledged) return
    const { request } = this
    const packets = Math.floor(Math.min(maxPackets, Math.max(defaultPackets, windowPackets / acksPerWindow)))
    const asked = request.threshold + 1
    const differs = packets >= 2 * asked || packets <= asked / 2
    if (!differs && (request.sequence < 0 || packetThreshold === request.reordering)) return
    request.threshold = packets - 1
    request.reordering = packetThreshold
    request.maxAckDelayMicros = Math.max(
      this.minAckDelayMicros,
      Math.min(this.ownMaxAckDelayMicros, Math.floor(rttMicros * delayPerRtt))
    )
    this.pending = true
    this.isAcknowledged = false
  }

  /** The request to write now (a reused object); marks it as sent. */
  take(): AckRequest {
    const { request } = this
    this.pending = false
    request.sequence++
    this.largestDelayMicros = Math.max(this.largestDelayMicros, request.maxAckDelayMicros)
    this.recovery.setPeerMaxAckDelay(this.largestDelayMicros)
    return request
  }

  /** An ACK_FREQUENCY frame is recorded as its sequence number. */
  onAcked(_type: number, sequence: number): void {
    if (sequence !== this.request.sequence || this.pending) return
    this.isAcknowledged = true
    this.largestDelayMicros = this.request.maxAckDelayMicros
    this.recovery.setPeerMaxAckDelay(this.largestDelayMicros)
  }

  /** Requests again under a new sequence number, unless a newer request was made. draft-ietf-quic-ack-frequency §4 */
  onLost(_type: number, sequence: number): void {
    if (sequence === this.request.sequence && !this.isAcknowledged) this.pending = true
  }
}
