import type { ReceiveWindow, SendCredit } from "./FlowControl.ts"
import type { StreamDirectory } from "./StreamDirectory.ts"
import type { ReceiveOutcome, SendOutcome } from "./StreamOutcome.ts"

/** A look at all streams of a connection at one moment. Bytes everywhere. */
export interface StreamStats {
  readonly open: number
  /** How many sending parts are in each state, by `SendState`. */
  readonly sending: ReadonlyArray<number>
  /** How many receiving parts are in each state, by `ReceiveState`. */
  readonly receiving: ReadonlyArray<number>
  readonly openedByUs: number
  readonly openedByPeer: number
  /** How many more we may open, and the peer, and how many of the peer's are not closed. */
  readonly openable: number
  readonly granted: number
  readonly owed: number
  /** Accepted from the application, and not acknowledged yet. */
  readonly sendBuffered: number
  /** Ready for the application to read. */
  readonly readable: number
  /** Memory behind what was received and not read, with what waits behind gaps. */
  readonly receiveAllocated: number
  /** Connection flow control as sender: used of the peer's limit. */
  readonly sendCreditUsed: number
  readonly sendCreditLimit: number
  /** Connection flow control as receiver: received, consumed by the application, and the limit the peer was told. */
  readonly received: number
  readonly consumed: number
  readonly receiveLimit: number
  readonly receiveWindow: number
}

export const streamStats = (
  directory: StreamDirectory,
  credit: SendCredit,
  window: ReceiveWindow
): StreamStats => {
  const sending = [0, 0, 0, 0, 0, 0]
  const receiving = [0, 0, 0, 0, 0, 0]
  let sendBuffered = 0
  let readable = 0
  let receiveAllocated = 0
  for (const { send, receive } of directory.records.values()) {
    if (send !== undefined) {
      sending[send.state]++
      sendBuffered += send.heldBytes
    }
    if (receive !== undefined) {
      receiving[receive.state]++
      readable += receive.readable
      receiveAllocated += receive.allocatedBytes
    }
  }
  const { localBidi, localUni, peerBidi, peerUni } = directory
  return {
    open: directory.records.size,
    sending,
    receiving,
    openedByUs: localBidi.opened + localUni.opened,
    openedByPeer: peerBidi.opened + peerUni.opened,
    openable: localBidi.available + localUni.available,
    granted: peerBidi.granted - peerBidi.opened + (peerUni.granted - peerUni.opened),
    owed: peerBidi.opened - peerBidi.closed + (peerUni.opened - peerUni.closed),
    sendBuffered,
    readable,
    receiveAllocated,
    sendCreditUsed: credit.used,
    sendCreditLimit: credit.limit,
    received: window.received,
    consumed: window.consumed,
    receiveLimit: window.limit,
    receiveWindow: window.size
  }
}

/** One stream at one moment; bytes that went through each half, and that wait in it. */
export interface StreamLook {
  readonly id: number
  readonly sending: HalfLook<SendOutcome> | undefined
  readonly receiving: HalfLook<ReceiveOutcome> | undefined
}

export interface HalfLook<Outcome> {
  readonly outcome: Outcome
  readonly bytes: number
  readonly bufferedBytes: number
}

export const lookAtStreams = (directory: StreamDirectory): ReadonlyArray<StreamLook> =>
  [...directory.records.values()].map(({ id, send, receive }) => ({
    id,
    sending: send && { outcome: send.outcome, bytes: send.credit.used, bufferedBytes: send.heldBytes },
    receiving: receive && {
      outcome: receive.outcome,
      bytes: receive.window.received,
      bufferedBytes: receive.readable
    }
  }))
