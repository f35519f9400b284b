import type { ReceiveWindow, SendCredit } from "./FlowControl.ts"
import type { StreamDirectory } from "./StreamDirectory.ts"
import type { ReceiveOutcome, SendOutcome } from "./StreamOutcome.ts"
import type { StreamRecord } from "./StreamRecord.ts"

/** Statistics of all streams of a connection. Sizes are in bytes. */
export interface StreamStats {
  readonly open: number
  readonly openedByUs: number
  readonly openedByPeer: number
  /** How many more streams we may open; how many more the peer may; how many of the peer's are still open. */
  readonly openable: number
  readonly granted: number
  readonly owed: number
  /** Accepted from the application but not acknowledged. */
  readonly sendBuffered: number
  /** Ready for the application to read. */
  readonly readable: number
  /** Memory of received data not yet read, including data behind gaps. */
  readonly receiveAllocated: number
  /** Connection flow control as sender: credit used, and the peer's limit. */
  readonly sendCreditUsed: number
  readonly sendCreditLimit: number
  /** Connection flow control as receiver: received, consumed by the application, and the advertised limit. */
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
  let sendBuffered = 0
  let readable = 0
  let receiveAllocated = 0
  for (const { begunSend, receive } of directory.records.values()) {
    if (begunSend !== undefined) sendBuffered += begunSend.heldBytes
    if (receive !== undefined) {
      readable += receive.readable
      receiveAllocated += receive.allocatedBytes
    }
  }
  const { localBidi, localUni, peerBidi, peerUni } = directory
  return {
    open: directory.records.size,
    openedByUs: localBidi.opened + localUni.opened,
    openedByPeer: peerBidi.opened + peerUni.opened,
    openable: localBidi.available + localUni.available,
    granted: peerBidi.granted - peerBidi.opened + (peerUni.granted - peerUni.opened),
    owed: peerBidi.owed + peerUni.owed,
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

/** Memory of data that waits for earlier bytes of its stream. */
export const reorderBytes = (directory: StreamDirectory): number => {
  let bytes = 0
  for (const { receive } of directory.records.values()) bytes += receive?.reorderBytes ?? 0
  return bytes
}

/** Snapshot of one stream: bytes transferred and buffered on each side. */
export interface StreamSnapshot {
  readonly id: number
  readonly sending: SideSnapshot<SendOutcome> | undefined
  readonly receiving: SideSnapshot<ReceiveOutcome> | undefined
}

export interface SideSnapshot<Outcome> {
  readonly outcome: Outcome
  readonly bytes: number
  readonly bufferedBytes: number
}

/** The status of the sending side. */
export const sendOutcomeOf = ({ begunSend, canSend }: StreamRecord): SendOutcome =>
  begunSend?.outcome ?? { _tag: canSend ? "open" : "none" }

const snapshotSending = (record: StreamRecord): SideSnapshot<SendOutcome> | undefined =>
  record.canSend
    ? {
        outcome: sendOutcomeOf(record),
        bytes: record.begunSend?.credit.used ?? 0,
        bufferedBytes: record.begunSend?.heldBytes ?? 0
      }
    : undefined

export const snapshotStreams = (directory: StreamDirectory): ReadonlyArray<StreamSnapshot> =>
  [...directory.records.values()].map((record) => ({
    id: record.id,
    sending: snapshotSending(record),
    receiving: record.receive && {
      outcome: record.receive.outcome,
      bytes: record.receive.window.received,
      bufferedBytes: record.receive.readable
    }
  }))
