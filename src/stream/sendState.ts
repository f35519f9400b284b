import { numbered, type TransitionTable } from "../internal/TransitionTable.ts"

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

/** Indexed by state and event; what is missing changes nothing. */
export const sendTransitions: TransitionTable<keyof typeof SendState, keyof typeof SendEvent> = {
  ready: { sendStream: "send", sendFin: "dataSent", sendReset: "resetSent" },
  send: { sendFin: "dataSent", sendReset: "resetSent" },
  dataSent: { sendReset: "resetSent", allAcked: "dataRecvd" },
  dataRecvd: {},
  resetSent: { resetAcked: "resetRecvd" },
  resetRecvd: {}
}

export const nextSendState: (state: SendState, event: SendEvent) => SendState = numbered(
  SendState,
  SendEvent,
  sendTransitions
)

/** RFC 9000 §3.1: nothing more is sent or expected. */
export const isSendTerminal = (state: SendState): boolean =>
  state === SendState.dataRecvd || state === SendState.resetRecvd
