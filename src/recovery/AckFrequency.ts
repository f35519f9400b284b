/** The receiver's own habit: an ACK for every second packet. RFC 9000 §13.2.2 */
const defaultPackets = 2
/** Not fewer ACKs than one for so many packets, however fast the path. */
const maxPackets = 16
/** ACKs per window: loss detection, HyStart++ (eight samples a round trip) and BBR live on them. */
const acksPerWindow = 16
/** The delay asked for, as a part of the round-trip time. */
const delayPerRtt = 1 / 4

/** What an ACK_FREQUENCY frame says. */
export interface AckRequest {
  sequence: number
  threshold: number
  maxAckDelayMicros: number
  reordering: number
}

/**
 * How the peer is asked to acknowledge: less often, the more packets a round trip has. It is asked again when the
 * answer to that has doubled or halved, and when loss detection waits for more reordering than it did.
 * draft-ietf-quic-ack-frequency §9
 */
export class AckFrequency {
  /** -1: the peer does not take such requests. */
  private minAckDelayMicros = -1
  private ownMaxAckDelayMicros = 0
  private readonly request: AckRequest = { sequence: -1, threshold: 1, maxAckDelayMicros: 0, reordering: 1 }
  private pending = false
  /** The last request has been acknowledged, or none was made. */
  private settled = true
  /** The largest delay among the requests under way, and the one in force before them. */
  private largestDelayMicros = 0

  /** The peer's min_ack_delay and max_ack_delay. */
  start(minAckDelayMicros: number, maxAckDelayMicros: number): void {
    this.minAckDelayMicros = minAckDelayMicros
    this.ownMaxAckDelayMicros = maxAckDelayMicros
    this.request.maxAckDelayMicros = maxAckDelayMicros
    this.largestDelayMicros = maxAckDelayMicros
  }

  /** Whether the peer takes ACK_FREQUENCY and IMMEDIATE_ACK frames. */
  get isSupported(): boolean {
    return this.minAckDelayMicros >= 0
  }

  /** Whether a frame is to be sent. */
  get isDue(): boolean {
    return this.pending
  }

  /** The max_ack_delay to reckon with: the largest in force or in flight. draft-ietf-quic-ack-frequency §8 */
  get maxAckDelayMicros(): number {
    return this.largestDelayMicros
  }

  /** The path has been measured anew; the window in datagrams. */
  onMeasured(windowPackets: number, rttMicros: number, packetThreshold: number): void {
    // one at a time: what was asked for last must have arrived before more is asked
    if (!this.isSupported || !this.settled) return
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
    this.settled = false
  }

  /** What to write now; reused. The frame counts as sent. */
  take(): AckRequest {
    const { request } = this
    this.pending = false
    request.sequence++
    this.largestDelayMicros = Math.max(this.largestDelayMicros, request.maxAckDelayMicros)
    return request
  }

  onAcked(sequence: number): void {
    if (sequence !== this.request.sequence || this.pending) return
    this.settled = true
    this.largestDelayMicros = this.request.maxAckDelayMicros
  }

  /** Asked again, under another number, unless it has been. draft-ietf-quic-ack-frequency §4 */
  onLost(sequence: number): void {
    if (sequence === this.request.sequence && !this.settled) this.pending = true
  }
}
