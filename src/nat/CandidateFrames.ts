import type { FrameOwner } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import { ADDRESS_FRAME_BYTES, writeAddressFrame, writeRemoveAddress } from "../wire/frameWriters.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

const { ADD_ADDRESS, REACH_OUT, REMOVE_ADDRESS } = FrameType

type Due =
  | { readonly type: typeof REMOVE_ADDRESS; state: "unsent" | "sent" }
  | {
      readonly type: typeof ADD_ADDRESS | typeof REACH_OUT
      readonly address: SocketAddress
      state: "unsent" | "sent"
    }

/**
 * The frames that name candidates, each until it has arrived or means nothing any longer: a candidate that was withdrawn,
 * a round that is over. draft-bruynooghe-n0-quic-nat-traversal
 */
export class CandidateFrames implements FrameOwner {
  /** By type, number, and place in the round. */
  private readonly due = new Map<string, Due>()
  private unsent = 0
  private round = -1

  /** server */
  advertise(seq: number, address: SocketAddress): void {
    this.add(keyOf(ADD_ADDRESS, seq, 0), { type: ADD_ADDRESS, address, state: "unsent" })
  }

  /** server: takes back what was advertised. */
  withdraw(seq: number): void {
    const key = keyOf(ADD_ADDRESS, seq, 0)
    const wasSent = this.due.get(key)?.state !== "unsent"
    this.remove(key)
    if (wasSent) this.add(keyOf(REMOVE_ADDRESS, seq, 0), { type: REMOVE_ADDRESS, state: "unsent" })
  }

  /** client: candidates of a round; a new one takes the place of the last. */
  reachOut(round: number, addresses: ReadonlyArray<SocketAddress>, from: number): void {
    if (round !== this.round) for (const [key, { type }] of this.due) if (type === REACH_OUT) this.remove(key)
    this.round = round
    for (const [i, address] of addresses.entries())
      this.add(keyOf(REACH_OUT, round, from + i), { type: REACH_OUT, address, state: "unsent" })
  }

  hasFrames(): boolean {
    return this.unsent > 0
  }

  writeFrames(w: ByteWriter, sent: SentFrames): void {
    for (const [key, frame] of this.due) {
      if (this.unsent === 0 || w.remaining < ADDRESS_FRAME_BYTES) return
      if (frame.state === "sent") continue
      const [number, place] = numbersOf(key)
      if (frame.type === REMOVE_ADDRESS) writeRemoveAddress(w, number)
      else writeAddressFrame(w, frame.type, number, frame.address)
      sent.push(frame.type, number, place)
      frame.state = "sent"
      this.unsent--
    }
  }

  onAcked(type: number, number: number, place: number): void {
    this.remove(keyOf(type, number, place))
  }

  onLost(type: number, number: number, place: number): void {
    const frame = this.due.get(keyOf(type, number, place))
    if (frame?.state !== "sent") return
    frame.state = "unsent"
    this.unsent++
  }

  private add(key: string, frame: Due): void {
    this.due.set(key, frame)
    this.unsent++
  }

  private remove(key: string): void {
    if (this.due.get(key)?.state === "unsent") this.unsent--
    this.due.delete(key)
  }
}

const keyOf = (type: number, number: number, place: number): string => `${number} ${place} ${type}`

const numbersOf = (key: string): ReadonlyArray<number> => key.split(" ").map(Number)
