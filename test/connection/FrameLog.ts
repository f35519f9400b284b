/** A frame sink that records every call. */
import type { AckFrame } from "../../src/wire/AckFrame.ts"
import type { FrameSink, StreamFrameSink } from "../../src/wire/FrameSink.ts"
import { Level } from "../../src/wire/PacketType.ts"

/** The sinks' methods, one per frame type. */
export type FrameMethod = Exclude<keyof FrameSink, "streams"> | keyof StreamFrameSink

export interface SeenFrame {
  readonly level: Level
  readonly packetNumber: number
  readonly name: FrameMethod
  /** The frame's numeric fields, in the order of the method's parameters. */
  readonly values: ReadonlyArray<number | boolean>
  readonly bytes?: Uint8Array
}

export interface SeenClose {
  readonly application: boolean
  readonly code: number
  readonly frameType: number
  readonly reason: string
}

export class FrameLog implements FrameSink, StreamFrameSink {
  readonly streams = this
  readonly frames: Array<SeenFrame> = []
  level: Level = Level.Initial
  packetNumber = 0

  named(name: FrameMethod): ReadonlyArray<SeenFrame> {
    return this.frames.filter((frame) => frame.name === name)
  }

  /** The contents of CONNECTION_CLOSE, taken from the most protected packet that carried one. */
  get close(): SeenClose | undefined {
    const last = this.named("onConnectionClose").at(-1)
    if (last === undefined) return undefined
    const [application, code, frameType] = last.values as [boolean, number, number]
    return { application, code, frameType, reason: new TextDecoder().decode(last.bytes) }
  }

  private note(
    name: FrameMethod,
    values: ReadonlyArray<number | boolean> = [],
    bytes?: Uint8Array
  ): undefined {
    const { level, packetNumber } = this
    this.frames.push({ level, packetNumber, name, values, ...(bytes !== undefined && { bytes }) })
  }

  onPing(): undefined {
    return this.note("onPing")
  }

  onAck(ack: AckFrame): undefined {
    return this.note("onAck", [ack.largest, ack.smallest[ack.rangeCount - 1], ack.delayRaw])
  }

  onResetStream(id: number, errorCode: number, finalSize: number): undefined {
    return this.note("onResetStream", [id, errorCode, finalSize])
  }

  onResetStreamAt(id: number, errorCode: number, finalSize: number, reliableSize: number): undefined {
    return this.note("onResetStreamAt", [id, errorCode, finalSize, reliableSize])
  }

  onStopSending(id: number, errorCode: number): undefined {
    return this.note("onStopSending", [id, errorCode])
  }

  onCrypto(offset: number, bytes: Uint8Array, start: number, end: number): undefined {
    return this.note("onCrypto", [offset], bytes.slice(start, end))
  }

  onNewToken(bytes: Uint8Array, start: number, end: number): undefined {
    return this.note("onNewToken", [], bytes.slice(start, end))
  }

  onStream(
    id: number,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    fin: boolean
  ): undefined {
    return this.note("onStream", [id, offset, fin], bytes.slice(start, end))
  }

  onMaxData(limit: number): undefined {
    return this.note("onMaxData", [limit])
  }

  onMaxStreamData(id: number, limit: number): undefined {
    return this.note("onMaxStreamData", [id, limit])
  }

  onMaxStreams(unidirectional: boolean, limit: number): undefined {
    return this.note("onMaxStreams", [unidirectional, limit])
  }

  onDataBlocked(limit: number): undefined {
    return this.note("onDataBlocked", [limit])
  }

  onStreamDataBlocked(id: number, limit: number): undefined {
    return this.note("onStreamDataBlocked", [id, limit])
  }

  onStreamsBlocked(unidirectional: boolean, limit: number): undefined {
    return this.note("onStreamsBlocked", [unidirectional, limit])
  }

  onNewConnectionId(
    pathId: number,
    sequence: number,
    retirePriorTo: number,
    bytes: Uint8Array,
    cidStart: number,
    cidEnd: number
  ): undefined {
    return this.note("onNewConnectionId", [pathId, sequence, retirePriorTo], bytes.slice(cidStart, cidEnd))
  }

  onRetireConnectionId(pathId: number, sequence: number): undefined {
    return this.note("onRetireConnectionId", [pathId, sequence])
  }

  onPathChallenge(bytes: Uint8Array, start: number): undefined {
    return this.note("onPathChallenge", [], bytes.slice(start, start + 8))
  }

  onPathResponse(bytes: Uint8Array, start: number): undefined {
    return this.note("onPathResponse", [], bytes.slice(start, start + 8))
  }

  onConnectionClose(
    application: boolean,
    errorCode: number,
    frameType: number,
    bytes: Uint8Array,
    reasonStart: number,
    reasonEnd: number
  ): undefined {
    return this.note(
      "onConnectionClose",
      [application, errorCode, frameType],
      bytes.slice(reasonStart, reasonEnd)
    )
  }

  onHandshakeDone(): undefined {
    return this.note("onHandshakeDone")
  }

  onDatagram(bytes: Uint8Array, start: number, end: number): undefined {
    return this.note("onDatagram", [], bytes.slice(start, end))
  }

  onAckFrequency(
    sequence: number,
    threshold: number,
    maxAckDelayMicros: number,
    reordering: number
  ): undefined {
    return this.note("onAckFrequency", [sequence, threshold, maxAckDelayMicros, reordering])
  }

  onPathAbandon(pathId: number, code: number): undefined {
    return this.note("onPathAbandon", [pathId, code])
  }

  onPathStatus(pathId: number, sequence: number, isBackup: boolean): undefined {
    return this.note("onPathStatus", [pathId, sequence, isBackup ? 1 : 0])
  }

  onMaxPathId(maximum: number): undefined {
    return this.note("onMaxPathId", [maximum])
  }

  onPathsBlocked(maximum: number): undefined {
    return this.note("onPathsBlocked", [maximum])
  }

  onPathCidsBlocked(pathId: number, next: number): undefined {
    return this.note("onPathCidsBlocked", [pathId, next])
  }

  onObservedAddress(
    sequence: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    port: number
  ): undefined {
    return this.note("onObservedAddress", [sequence, port], bytes.slice(start, end))
  }

  onAddAddress(sequence: number, bytes: Uint8Array, start: number, end: number, port: number): undefined {
    return this.note("onAddAddress", [sequence, port], bytes.slice(start, end))
  }

  onReachOut(round: number, bytes: Uint8Array, start: number, end: number, port: number): undefined {
    return this.note("onReachOut", [round, port], bytes.slice(start, end))
  }

  onRemoveAddress(sequence: number): undefined {
    return this.note("onRemoveAddress", [sequence])
  }

  onImmediateAck(): undefined {
    return this.note("onImmediateAck")
  }
}
