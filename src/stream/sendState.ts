/**
 * States of the sending part of a stream. RFC 9000 §3.1, and draft-ietf-quic-reliable-stream-reset §5.3 for
 * RESET_STREAM_AT, which acts like FIN here.
 *
 * ```
 *   ready ──► send ──► dataSent ──► dataRecvd
 *     │         │         │
 *     └─────────┴─────────┴──► resetSent ──► resetRecvd
 * ```
 */
export const SendState = {
  ready: 0,
  send: 1,
  dataSent: 2,
  dataRecvd: 3,
  resetSent: 4,
  resetRecvd: 5
} as const
export type SendState = (typeof SendState)[keyof typeof SendState]

export const SendEvent = {
  /** STREAM or STREAM_DATA_BLOCKED was sent. */
  sendStream: 0,
  /** STREAM with FIN, or RESET_STREAM_AT, was sent. */
  sendFin: 1,
  /** The stream is reset; no STREAM frame follows. */
  sendReset: 2,
  /** The FIN (or RESET_STREAM_AT) and all data it covers were acknowledged. */
  allAcked: 3,
  /** RESET_STREAM was acknowledged. */
  resetAcked: 4
} as const
export type SendEvent = (typeof SendEvent)[keyof typeof SendEvent]

const S = SendState

/** `sendTransitions[state][event]` is the next state; undefined where the event changes nothing. */
export const sendTransitions: ReadonlyArray<ReadonlyArray<SendState | undefined>> = [
  // sendStream, sendFin, sendReset, allAcked, resetAcked
  [S.send, S.dataSent, S.resetSent, undefined, undefined], // ready
  [undefined, S.dataSent, S.resetSent, undefined, undefined], // send
  [undefined, undefined, S.resetSent, S.dataRecvd, undefined], // dataSent
  [undefined, undefined, undefined, undefined, undefined], // dataRecvd
  [undefined, undefined, undefined, undefined, S.resetRecvd], // resetSent
  [undefined, undefined, undefined, undefined, undefined] // resetRecvd
]

export const nextSendState = (state: SendState, event: SendEvent): SendState =>
  sendTransitions[state][event] ?? state

/** RFC 9000 §3.1: nothing more is sent or expected. */
export const isSendTerminal = (state: SendState): boolean => state === S.dataRecvd || state === S.resetRecvd
