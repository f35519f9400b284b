/**
 * What a sent packet carried, as four numbers per frame. When the packet is acknowledged or lost, the owners of the
 * frames find them again from these numbers; there are no callbacks and no copies of the bytes.
 */
export const SentFrame = {
  /** level, offset, length */
  Crypto: 0,
  /** streamId, offset, length: `-1 - length` when the frame carried FIN */
  Stream: 1,
  /** streamId */
  ResetStream: 2,
  /** streamId */
  StopSending: 3,
  /** limit */
  MaxData: 4,
  /** streamId, limit */
  MaxStreamData: 5,
  /** 0 bidirectional / 1 unidirectional, limit */
  MaxStreams: 6,
  /** limit */
  DataBlocked: 7,
  /** streamId, limit */
  StreamDataBlocked: 8,
  /** 0 bidirectional / 1 unidirectional, limit */
  StreamsBlocked: 9,
  /** pathId, sequence */
  NewConnectionId: 10,
  /** pathId, sequence */
  RetireConnectionId: 11,
  /** — */
  HandshakeDone: 12,
  /** token index */
  NewToken: 13,
  /** pathId, space, largest packet number the ACK covered */
  Ack: 14,
  /** datagram id, the application's handle for its delivery status */
  Datagram: 15,
  /** —; elicits an acknowledgment */
  Ping: 16,
  /** sequence */
  AckFrequency: 18,
  /** streamId, reliable size */
  ResetStreamAt: 19
} as const
export type SentFrame = (typeof SentFrame)[keyof typeof SentFrame]

/** Records that grew beyond this for a packet of many tiny frames shrink again. */
const maxKeptValues = 128

/** A reusable list of sent frames. */
export class SentFrames {
  /** kind, a, b, c; kind, a, b, c; … */
  readonly values: Array<number> = []
  /** How many numbers of `values` are in use: four per frame. */
  length = 0

  push(kind: SentFrame, a = 0, b = 0, c = 0): void {
    const { values, length } = this
    values[length] = kind
    values[length + 1] = a
    values[length + 2] = b
    values[length + 3] = c
    this.length = length + 4
  }

  clear(): void {
    this.length = 0
    if (this.values.length > maxKeptValues) this.values.length = 0
  }
}
