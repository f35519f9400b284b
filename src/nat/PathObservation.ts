/** The addresses of one path, as each end sees that of the other. draft-ietf-quic-address-discovery */
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import { ADDRESS_FRAME_BYTES, writeAddressFrame } from "../wire/frameWriters.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"

/** The numbers of OBSERVED_ADDRESS frames: they rise over all paths of a connection. */
export interface ObservationNumbers {
  next: number
}

/**
 * Tells the peer where its packets on this path come from, again whenever that has changed, and keeps what it says of
 * ours. What is lost is repeated on the same path, unless there is something newer to say.
 */
export class PathObservation {
  /** Our address as the peer sees it. */
  own: SocketAddress | undefined = undefined
  private ownNumber = -1
  private readonly pathId: number
  /** Undefined if we tell nothing. */
  private readonly numbers: ObservationNumbers | undefined
  /** Of the peer, when last looked. */
  private remote: SocketAddress | undefined = undefined
  /** What the peer was told last. */
  private told: SocketAddress | undefined = undefined
  private toldNumber = -1
  private isDue = false
  /** What became of that. */
  private fate: "sent" | "lost" | "acked" = "sent"

  constructor(pathId: number, numbers: ObservationNumbers | undefined) {
    this.pathId = pathId
    this.numbers = numbers
  }

  /** Whether the peer is to be told that it is at `remote`. */
  hasFrames(remote: SocketAddress): boolean {
    if (remote !== this.remote) this.look(remote)
    return this.isDue
  }

  private look(remote: SocketAddress): void {
    this.remote = remote
    // a made-up address is nobody's business, as it means nothing to others
    if (this.numbers === undefined || remote.relayed !== undefined) this.isDue = false
    else this.isDue = this.fate === "lost" || !this.isTold(remote)
  }

  private isTold(remote: SocketAddress): boolean {
    return this.told !== undefined && sameAddress(this.told, remote)
  }

  /** Writes what `hasFrames` said is due. */
  writeFrames(w: ByteWriter, sent: SentFrames): void {
    const { remote, numbers, pathId } = this
    if (remote === undefined || numbers === undefined || w.remaining < ADDRESS_FRAME_BYTES) return
    if (!this.isTold(remote)) {
      this.told = remote
      this.toldNumber = numbers.next++
    }
    this.fate = "sent"
    writeAddressFrame(w, FrameType.OBSERVED_ADDRESS, this.toldNumber, remote)
    sent.push(FrameType.OBSERVED_ADDRESS, pathId, this.toldNumber)
    this.isDue = false
  }

  onAcked(_type: number, _pathId: number, number: number): void {
    if (number !== this.toldNumber) return
    this.fate = "acked"
    if (this.remote !== undefined) this.look(this.remote)
  }

  onLost(_type: number, _pathId: number, number: number): void {
    if (number !== this.toldNumber || this.fate === "acked") return
    this.fate = "lost"
    if (this.remote !== undefined) this.look(this.remote)
  }

  /** The peer sees us at `address`; false if it has said something newer. */
  onObserved(number: number, address: SocketAddress): boolean {
    if (number <= this.ownNumber) return false
    this.ownNumber = number
    this.own = address
    return true
  }
}
