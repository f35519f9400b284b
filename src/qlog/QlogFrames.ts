import { printableBytes } from "../internal/printable.ts"
import type { AckFrame } from "../wire/AckFrame.ts"
import { FrameDecoder } from "../wire/FrameDecoder.ts"
import type { FrameSink, StreamFrameSink } from "../wire/FrameSink.ts"
import { FrameExtension, FrameType as F, frameProperties } from "../wire/FrameType.ts"
import type { Level } from "../wire/PacketType.ts"
import { errorFields } from "./errorFields.ts"
import { hexadecimal } from "../internal/hexadecimal.ts"
import { addressOfBytes } from "../wire/SocketAddress.ts"

export type QlogFrame = { readonly frame_type: string; readonly [field: string]: unknown }

const streamType = (unidirectional: boolean) => (unidirectional ? "unidirectional" : "bidirectional")
const length = (start: number, end: number) => ({ length: end - start })

/** As in qlog's PathEndpointInfo. */
const ipFields = (bytes: Uint8Array, start: number, end: number, port: number) => {
  const { host } = addressOfBytes(bytes, start, end, port)
  return end - start === 4 ? { ip_v4: host, port_v4: port } : { ip_v6: host, port_v6: port }
}

/** Converts the frames of a packet to qlog, without their contents. qlog-quic-events §8.13 */
export class QlogFrames implements FrameSink, StreamFrameSink {
  readonly streams = this
  private ackDelayExponent = 3
  private frames: Array<QlogFrame> = []
  private readonly decoder = new FrameDecoder("either", FrameExtension.all)

  /** The frames in `bytes[start, end)`, up to the first malformed one; `ackDelayExponent` is the sender's. */
  decode(
    bytes: Uint8Array,
    start: number,
    end: number,
    level: Level,
    ackDelayExponent: number
  ): ReadonlyArray<QlogFrame> {
    this.frames = []
    this.ackDelayExponent = ackDelayExponent
    this.decoder.decode(bytes, start, end, level, this)
    return this.frames
  }

  private add(type: number, fields?: Readonly<Record<string, unknown>>): undefined {
    this.frames.push({ frame_type: frameProperties(type)!.name, ...fields })
  }

  /** A frame that qlog has no name for. */
  private addUnnamed(frame_type_bytes: number, fields?: Readonly<Record<string, unknown>>): undefined {
    this.frames.push({ frame_type: "unknown", frame_type_bytes, ...fields })
  }

  onPing() {
    return this.add(F.PING)
  }

  onAck(ack: AckFrame) {
    const acked_ranges: Array<ReadonlyArray<number>> = []
    for (let i = ack.rangeCount - 1; i >= 0; i--) {
      const from = ack.smallest[i]
      const to = ack.largestOf[i]
      acked_ranges.push(from === to ? [from] : [from, to])
    }
    const ecn = ack.hasEcn && { ect0: ack.ect0, ect1: ack.ect1, ce: ack.ce }
    return this.add(ack.isPathAck ? F.PATH_ACK : F.ACK, {
      ...(ack.isPathAck && { path_id: ack.pathId }),
      ack_delay: (ack.delayRaw * 2 ** this.ackDelayExponent) / 1000,
      acked_ranges,
      ...ecn
    })
  }

  onResetStream(stream_id: number, error_code: number, final_size: number) {
    return this.add(F.RESET_STREAM, { stream_id, error: "unknown", error_code, final_size })
  }

  onResetStreamAt(stream_id: number, error_code: number, final_size: number, reliable_size: number) {
    return this.add(F.RESET_STREAM_AT, { stream_id, error: "unknown", error_code, final_size, reliable_size })
  }

  onStopSending(stream_id: number, error_code: number) {
    return this.add(F.STOP_SENDING, { stream_id, error: "unknown", error_code })
  }

  onCrypto(offset: number, _bytes: Uint8Array, start: number, end: number) {
    return this.add(F.CRYPTO, { offset, raw: { payload_length: end - start } })
  }

  onNewToken(_bytes: Uint8Array, start: number, end: number) {
    return this.add(F.NEW_TOKEN, { token: { type: "resumption", raw: length(start, end) } })
  }

  onStream(stream_id: number, offset: number, _bytes: Uint8Array, start: number, end: number, fin: boolean) {
    return this.add(F.STREAM, { stream_id, offset, fin, raw: { payload_length: end - start } })
  }

  onMaxData(maximum: number) {
    return this.add(F.MAX_DATA, { maximum })
  }

  onMaxStreamData(stream_id: number, maximum: number) {
    return this.add(F.MAX_STREAM_DATA, { stream_id, maximum })
  }

  onMaxStreams(unidirectional: boolean, maximum: number) {
    return this.add(F.MAX_STREAMS_BIDI, { stream_type: streamType(unidirectional), maximum })
  }

  onDataBlocked(limit: number) {
    return this.add(F.DATA_BLOCKED, { limit })
  }

  onStreamDataBlocked(stream_id: number, limit: number) {
    return this.add(F.STREAM_DATA_BLOCKED, { stream_id, limit })
  }

  onStreamsBlocked(unidirectional: boolean, limit: number) {
    return this.add(F.STREAMS_BLOCKED_BIDI, { stream_type: streamType(unidirectional), limit })
  }

  onNewConnectionId(
    path_id: number,
    sequence_number: number,
    retire_prior_to: number,
    bytes: Uint8Array,
    cidStart: number,
    cidEnd: number
  ) {
    return this.add(this.decoder.type, {
      sequence_number,
      retire_prior_to,
      connection_id_length: cidEnd - cidStart,
      connection_id: hexadecimal(bytes, cidStart, cidEnd),
      ...(this.decoder.type === F.PATH_NEW_CONNECTION_ID && { path_id })
    })
  }

  onRetireConnectionId(path_id: number, sequence_number: number) {
    return this.add(this.decoder.type, {
      sequence_number,
      ...(this.decoder.type === F.PATH_RETIRE_CONNECTION_ID && { path_id })
    })
  }

  onPathChallenge(bytes: Uint8Array, start: number) {
    return this.add(F.PATH_CHALLENGE, { data: hexadecimal(bytes, start, start + 8) })
  }

  onPathResponse(bytes: Uint8Array, start: number) {
    return this.add(F.PATH_RESPONSE, { data: hexadecimal(bytes, start, start + 8) })
  }

  onConnectionClose(
    application: boolean,
    code: number,
    frameType: number,
    bytes: Uint8Array,
    reasonStart: number,
    reasonEnd: number
  ) {
    return this.add(F.CONNECTION_CLOSE, {
      error_space: application ? "application" : "transport",
      ...errorFields("error", application, code),
      reason: printableBytes(bytes, reasonStart, reasonEnd),
      ...(!application && { trigger_frame_type: frameType })
    })
  }

  onHandshakeDone() {
    return this.add(F.HANDSHAKE_DONE)
  }

  onDatagram(_bytes: Uint8Array, start: number, end: number) {
    return this.add(F.DATAGRAM, { raw: { payload_length: end - start } })
  }

  onAckFrequency(sequence_number: number, threshold: number, maxAckDelayMicros: number, reordering: number) {
    return this.addUnnamed(F.ACK_FREQUENCY, {
      sequence_number,
      ack_eliciting_threshold: threshold,
      request_max_ack_delay: maxAckDelayMicros,
      reordering_threshold: reordering
    })
  }

  onImmediateAck() {
    return this.addUnnamed(F.IMMEDIATE_ACK)
  }

  onPathAbandon(path_id: number, error_code: number) {
    return this.add(F.PATH_ABANDON, { path_id, error_code })
  }

  onPathStatus(path_id: number, path_status_sequence_number: number, isBackup: boolean) {
    const type = isBackup ? F.PATH_STATUS_BACKUP : F.PATH_STATUS_AVAILABLE
    return this.add(type, { path_id, path_status_sequence_number })
  }

  onMaxPathId(maximum_path_id: number) {
    return this.add(F.MAX_PATH_ID, { maximum_path_id })
  }

  onPathsBlocked(maximum_path_id: number) {
    return this.add(F.PATHS_BLOCKED, { maximum_path_id })
  }

  onPathCidsBlocked(path_id: number, next_sequence_number: number) {
    return this.add(F.PATH_CIDS_BLOCKED, { path_id, next_sequence_number })
  }

  onObservedAddress(sequence_number: number, bytes: Uint8Array, start: number, end: number, port: number) {
    return this.add(F.OBSERVED_ADDRESS, { sequence_number, ...ipFields(bytes, start, end, port) })
  }

  onAddAddress(sequence_number: number, bytes: Uint8Array, start: number, end: number, port: number) {
    return this.add(F.ADD_ADDRESS, { sequence_number, ...ipFields(bytes, start, end, port) })
  }

  onReachOut(round: number, bytes: Uint8Array, start: number, end: number, port: number) {
    return this.add(F.REACH_OUT, { round, ...ipFields(bytes, start, end, port) })
  }

  onRemoveAddress(sequence_number: number) {
    return this.add(F.REMOVE_ADDRESS, { sequence_number })
  }
}
