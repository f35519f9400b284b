import type { CloseCode } from "./RelayCarrier.ts"

/** A connection of a key. */
export interface PeerConnection {
  /** Sends a frame, or queues it; false when there is no room. */
  deliver(frame: Uint8Array): boolean
  end(code: CloseCode, reason: string): void
}

/** A key that is connected to a relay. */
export class RelayPeer {
  readonly key: Uint8Array
  /** Its connections; the last is served, the others wait for it to end. */
  readonly members: Array<PeerConnection> = []
  private readonly sentTo = new Set<RelayPeer>()
  private readonly receivedFrom = new Set<RelayPeer>()
  private lastSentTo: RelayPeer | undefined

  constructor(key: Uint8Array) {
    this.key = key
  }

  get served(): PeerConnection | undefined {
    return this.members[this.members.length - 1]
  }

  /** Remembers that it has sent to `peer`; of more than `most`, the first is forgotten. */
  noteSent(peer: RelayPeer, most: number): void {
    if (this.lastSentTo === peer) return
    this.lastSentTo = peer
    if (this.sentTo.has(peer)) return
    for (const first of this.sentTo) {
      if (this.sentTo.size < most) break
      this.forget(first)
    }
    this.sentTo.add(peer)
    peer.receivedFrom.add(this)
  }

  /** Parts it from all others; calls `tell` for each that it has sent to. */
  leave(tell: (peer: RelayPeer) => void): void {
    for (const peer of this.receivedFrom) peer.forget(this)
    for (const peer of this.sentTo) {
      this.forget(peer)
      tell(peer)
    }
  }

  private forget(peer: RelayPeer): void {
    this.sentTo.delete(peer)
    peer.receivedFrom.delete(this)
    if (this.lastSentTo === peer) this.lastSentTo = undefined
  }
}
