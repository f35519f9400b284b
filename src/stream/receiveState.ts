import { numbered, type TransitionTable } from "../internal/TransitionTable.ts"

/**
 * States of the receiving part of a stream. RFC 9000 §3.2, and draft-ietf-quic-reliable-stream-reset §5.3 for
 * RESET_STREAM_AT, which acts like FIN here.
 *
 * ```
 *   recv ──► sizeKnown ──► dataRecvd ──► dataRead
 *     │          │                          ▲
 *     │          ├──────────────────────────┘ stopped
 *     └──────────┴──► resetRecvd ──► resetRead
 * ```
 *
 * A RESET_STREAM after all data has arrived is ignored, as §3.2 allows: no dataRecvd → resetRecvd. Once the
 * application has stopped reading, missing data no longer matters: sizeKnown ends immediately.
 */
export const ReceiveState = {
  recv: 0,
  sizeKnown: 1,
  dataRecvd: 2,
  dataRead: 3,
  resetRecvd: 4,
  resetRead: 5
} as const
export type ReceiveState = (typeof ReceiveState)[keyof typeof ReceiveState]

export const ReceiveEvent = {
  /** STREAM with FIN, or RESET_STREAM_AT, arrived. */
  finReceived: 0,
  /** Everything up to the final (or reliable) size has arrived. */
  allReceived: 1,
  /** RESET_STREAM arrived. */
  resetReceived: 2,
  /** The application read all data, or the end. */
  allRead: 3,
  /** The application learned of the reset. */
  resetRead: 4,
  /** The application stopped reading. */
  stopped: 5
} as const
export type ReceiveEvent = (typeof ReceiveEvent)[keyof typeof ReceiveEvent]

/** Indexed by state and event; what is missing changes nothing. */
export const receiveTransitions: TransitionTable<keyof typeof ReceiveState, keyof typeof ReceiveEvent> = {
  recv: { finReceived: "sizeKnown", resetReceived: "resetRecvd" },
  sizeKnown: { allReceived: "dataRecvd", resetReceived: "resetRecvd", stopped: "dataRead" },
  dataRecvd: { allRead: "dataRead", stopped: "dataRead" },
  dataRead: {},
  resetRecvd: { resetRead: "resetRead", stopped: "resetRead" },
  resetRead: {}
}

export const nextReceiveState: (state: ReceiveState, event: ReceiveEvent) => ReceiveState = numbered(
  ReceiveState,
  ReceiveEvent,
  receiveTransitions
)

/** RFC 9000 §3.2: nothing more is received or read. */
export const isReceiveTerminal = (state: ReceiveState): boolean =>
  state === ReceiveState.dataRead || state === ReceiveState.resetRead
