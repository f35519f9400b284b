import { FrameType } from "../wire/FrameType.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"

/** Removals remembered, of candidates whose advertisement may still come. */
const MAX_REMOVED = 64

/**
 * What the peer names, within the limit that we have declared; what is above it is ignored.
 * draft-bruynooghe-n0-quic-nat-traversal
 */
export class PeerCandidates {
  /** client: what the server advertises, by sequence number. */
  readonly advertised = new Map<number, SocketAddress>()
  /** server: what the client has named in the round under way. */
  readonly reachedOut: Array<SocketAddress> = []
  round = -1
  /** The oldest first. */
  private readonly removed = new Set<number>()
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  /** ADD_ADDRESS. True if it is another candidate. */
  onAdd(seq: number, address: SocketAddress): boolean | TransportError {
    const known = this.advertised.get(seq)
    if (known !== undefined) return sameAddress(known, address) ? false : contradiction(seq)
    if (this.removed.has(seq) || this.advertised.size >= this.limit) return false
    this.advertised.set(seq, address)
    return true
  }

  /** REMOVE_ADDRESS. True if it was a candidate. */
  onRemove(seq: number): boolean {
    if (this.removed.size >= MAX_REMOVED) this.removed.delete(this.removed.values().next().value!)
    this.removed.add(seq)
    return this.advertised.delete(seq)
  }

  /** REACH_OUT: whether it names another candidate, and whether of a new round. */
  onReachOut(round: number, address: SocketAddress): "new" | "more" | "ignored" {
    if (round < this.round) return "ignored"
    const isNew = round > this.round
    if (isNew) this.reachedOut.length = 0
    this.round = round
    if (this.reachedOut.length >= this.limit) return "ignored"
    if (this.reachedOut.some((known) => sameAddress(known, address))) return "ignored"
    this.reachedOut.push(address)
    return isNew ? "new" : "more"
  }
}

const contradiction = (seq: number): TransportError =>
  new TransportError(
    TransportErrorCode.PROTOCOL_VIOLATION,
    `ADD_ADDRESS gives candidate ${seq} another address`,
    FrameType.ADD_ADDRESS
  )
