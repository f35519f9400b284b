import type { FrameResult, FrameSink, StreamFrameSink } from "../../src/wire/FrameSink.ts"

/** A call of a sink, with the bytes it referred to in hex. */
export type Recorded = readonly [name: string, ...fields: ReadonlyArray<unknown>]

export const toHex = (bytes: Uint8Array, start = 0, end = bytes.length): string =>
  Buffer.from(bytes.slice(start, end)).toString("hex")

export const fromHex = (text: string): Uint8Array =>
  Uint8Array.from(text.replace(/\s/g, "").match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))

/** Records every frame; returns an error from `refuseAt` on. */
export class RecordingSink implements FrameSink, StreamFrameSink {
  readonly streams = this
  readonly frames: Array<Recorded> = []
  readonly refuseAt: number
  readonly refusal: FrameResult

  constructor(refuseAt = Number.POSITIVE_INFINITY, refusal: FrameResult = undefined) {
    this.refuseAt = refuseAt
    this.refusal = refusal
  }

  private keep(...frame: Recorded): FrameResult {
    this.frames.push(frame)
    return this.frames.length > this.refuseAt ? this.refusal : undefined
  }

  onPing: FrameSink["onPing"] = () => this.keep("PING")
  onAck: FrameSink["onAck"] = (ack) =>
    this.keep(
      "ACK",
      ack.isPathAck ? ack.pathId : undefined,
      ack.delayRaw,
      Array.from({ length: ack.rangeCount }, (_, i) => [ack.smallest[i], ack.largestOf[i]]),
      ack.hasEcn ? [ack.ect0, ack.ect1, ack.ce] : undefined
    )
  onResetStream: StreamFrameSink["onResetStream"] = (...fields) => this.keep("RESET_STREAM", ...fields)
  onResetStreamAt: StreamFrameSink["onResetStreamAt"] = (...fields) => this.keep("RESET_STREAM_AT", ...fields)
  onStopSending: StreamFrameSink["onStopSending"] = (...fields) => this.keep("STOP_SENDING", ...fields)
  onCrypto: FrameSink["onCrypto"] = (offset, bytes, start, end) =>
    this.keep("CRYPTO", offset, toHex(bytes, start, end))
  onNewToken: FrameSink["onNewToken"] = (bytes, start, end) =>
    this.keep("NEW_TOKEN", toHex(bytes, start, end))
  onStream: StreamFrameSink["onStream"] = (id, offset, bytes, start, end, fin) =>
    this.keep("STREAM", id, offset, toHex(bytes, start, end), fin)
  onMaxData: StreamFrameSink["onMaxData"] = (limit) => this.keep("MAX_DATA", limit)
  onMaxStreamData: StreamFrameSink["onMaxStreamData"] = (...fields) => this.keep("MAX_STREAM_DATA", ...fields)
  onMaxStreams: StreamFrameSink["onMaxStreams"] = (...fields) => this.keep("MAX_STREAMS", ...fields)
  onDataBlocked: StreamFrameSink["onDataBlocked"] = (limit) => this.keep("DATA_BLOCKED", limit)
  onStreamDataBlocked: StreamFrameSink["onStreamDataBlocked"] = (...fields) =>
    this.keep("STREAM_DATA_BLOCKED", ...fields)
  onStreamsBlocked: StreamFrameSink["onStreamsBlocked"] = (...fields) =>
    this.keep("STREAMS_BLOCKED", ...fields)
  onNewConnectionId: FrameSink["onNewConnectionId"] = (
    pathId,
    sequence,
    retirePriorTo,
    bytes,
    start,
    end,
    token
  ) =>
    this.keep(
      "NEW_CONNECTION_ID",
      pathId,
      sequence,
      retirePriorTo,
      toHex(bytes, start, end),
      toHex(bytes, token, token + 16)
    )
  onRetireConnectionId: FrameSink["onRetireConnectionId"] = (...fields) =>
    this.keep("RETIRE_CONNECTION_ID", ...fields)
  onPathChallenge: FrameSink["onPathChallenge"] = (bytes, start) =>
    this.keep("PATH_CHALLENGE", toHex(bytes, start, start + 8))
  onPathResponse: FrameSink["onPathResponse"] = (bytes, start) =>
    this.keep("PATH_RESPONSE", toHex(bytes, start, start + 8))
  onConnectionClose: FrameSink["onConnectionClose"] = (application, code, frameType, bytes, start, end) =>
    this.keep("CONNECTION_CLOSE", application, code, frameType, toHex(bytes, start, end))
  onHandshakeDone: FrameSink["onHandshakeDone"] = () => this.keep("HANDSHAKE_DONE")
  onDatagram: FrameSink["onDatagram"] = (bytes, start, end) => this.keep("DATAGRAM", toHex(bytes, start, end))
  onAckFrequency: FrameSink["onAckFrequency"] = (...fields) => this.keep("ACK_FREQUENCY", ...fields)
  onPathAbandon: FrameSink["onPathAbandon"] = (...fields) => this.keep("PATH_ABANDON", ...fields)
  onPathStatus: FrameSink["onPathStatus"] = (...fields) => this.keep("PATH_STATUS", ...fields)
  onMaxPathId: FrameSink["onMaxPathId"] = (...fields) => this.keep("MAX_PATH_ID", ...fields)
  onPathsBlocked: FrameSink["onPathsBlocked"] = (...fields) => this.keep("PATHS_BLOCKED", ...fields)
  onPathCidsBlocked: FrameSink["onPathCidsBlocked"] = (...fields) => this.keep("PATH_CIDS_BLOCKED", ...fields)
  onObservedAddress: FrameSink["onObservedAddress"] = (sequence, bytes, start, end, port) =>
    this.keep("OBSERVED_ADDRESS", sequence, toHex(bytes, start, end), port)
  onAddAddress: FrameSink["onAddAddress"] = (sequence, bytes, start, end, port) =>
    this.keep("ADD_ADDRESS", sequence, toHex(bytes, start, end), port)
  onReachOut: FrameSink["onReachOut"] = (round, bytes, start, end, port) =>
    this.keep("REACH_OUT", round, toHex(bytes, start, end), port)
  onRemoveAddress: FrameSink["onRemoveAddress"] = (sequence) => this.keep("REMOVE_ADDRESS", sequence)
  onImmediateAck: FrameSink["onImmediateAck"] = () => this.keep("IMMEDIATE_ACK")
}
