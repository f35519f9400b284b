import { sameBytes } from "../internal/bytes.ts"
import type { RandomBytes } from "../capability/CryptoSuite.ts"
import type { FrameContext, FrameWriter } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { writePathChallenge, writePathResponse } from "../wire/frameWriters.ts"
import { AMPLIFICATION_FACTOR } from "./AntiAmplification.ts"

const DATA_BYTES = 8
/** PATH_CHALLENGE or PATH_RESPONSE. */
export const PATH_FRAME_BYTES = 1 + DATA_BYTES
/** How many of our challenges are remembered; with the interval doubling, an older one is not answered any more. */
const MAX_CHALLENGES = 8
/** How many of the peer's challenges wait for a response; of more, the newest. */
const MAX_RESPONSES = 8
/** RFC 9000 §14 #1, §14.2: what a datagram has to reach for its path to be fit for QUIC. */
const MIN_DATAGRAM_BYTES = 1200

/** How long a validation lasts at least, unless told otherwise. */
export const VALIDATION_TIMEOUT_MICROS = 3_000_000

export type ValidationState = "idle" | "validating" | "validated" | "timedOut"

/** What a PATH_RESPONSE meant. */
export type ResponseOutcome =
  /** The peer is at this address, and datagrams of 1200 bytes reach it. */
  | "validated"
  /** The peer is at this address; a second round, with a full-sized challenge, has begun. RFC 9000 §8.2.3 */
  | "addressValidated"
  /** It answers a challenge of a validation that is over. */
  | "late"
  /** It matches no challenge of this path. */
  | "rejected"

interface Challenge {
  readonly data: Uint8Array
  readonly round: number
  expanded: boolean
}

/**
 * Whether the peer can be reached over one pair of addresses, and our answers when it asks. RFC 9000 §8.2
 *
 * A response may arrive on any path, so it is offered to the validator of each. Driven by `sweep` at
 * `deadlineMicros`; the data to send comes from `pollChallenge` and `pollResponse`, at most one challenge a packet.
 */
export class PathValidator implements FrameWriter {
  state: ValidationState = "idle"
  /** The amplification limit need not apply any more. */
  addressValidated = false
  private readonly challenges: Array<Challenge> = []
  private readonly responses: Array<Uint8Array> = []
  /** Of the largest datagram that has asked since the last answer. */
  private askedBytes = 0
  private isAnswering = false
  private round = 0
  /** Challenges sent in this round. */
  private sent = 0
  private challengeDue = false
  private nextChallengeAt = Number.POSITIVE_INFINITY
  private expiresAt = Number.POSITIVE_INFINITY
  private timeoutMicros = VALIDATION_TIMEOUT_MICROS
  private mustExpand = false
  /** The challenge that goes out with the datagram being built. */
  private leaving: Challenge | undefined = undefined

  /** Begins a validation, or begins it anew. `ptoMicros` is the larger of the current path's and the new one's. */
  start(nowMicros: number, ptoMicros: number, timeoutMicros = VALIDATION_TIMEOUT_MICROS): void {
    // RFC 9000 §8.2.4 #S1 #S2: three PTOs, so that the loss of one challenge does not decide
    this.timeoutMicros = Math.max(timeoutMicros, 3 * ptoMicros)
    this.addressValidated = false
    this.begin(nowMicros)
  }

  /** Gives up without a verdict, for instance because another path has taken over. RFC 9000 §8.2.4 */
  cancel(): void {
    if (this.state !== "validating") return
    this.state = "idle"
    this.settle()
  }

  /** Whether there is a challenge or a response to send. */
  hasFrames(): boolean {
    return this.challengeDue || this.responses.length > 0
  }

  /**
   * How large a datagram with what waits may be although congestion control does not let one leave: a question of ours as
   * large as it has to be, as it is not asked often; an answer no larger than an unproven address would get, or whoever
   * asks could have anybody's window flooded whose address was proven once. RFC 9000 §8.2.2 #2, §21.1.1
   */
  get unboundBytes(): number {
    if (this.challengeDue) return Number.POSITIVE_INFINITY
    return this.responses.length === 0 ? 0 : AMPLIFICATION_FACTOR * this.askedBytes
  }

  /** One challenge, however many are due (RFC 9000 §8.2.1 #S1), and all responses, or each would take 1200 bytes. */
  writeFrames(w: ByteWriter, _sent: SentFrames, { nowMicros, random, ptoMicros }: FrameContext): void {
    if (w.remaining < PATH_FRAME_BYTES) return
    const challenge = this.pollChallenge(nowMicros, random, ptoMicros)
    if (challenge !== undefined) writePathChallenge(w, challenge)
    while (w.remaining >= PATH_FRAME_BYTES) {
      const response = this.pollResponse()
      if (response === undefined) return
      writePathResponse(w, response)
    }
  }

  /** The data of a PATH_CHALLENGE to put into the packet being built, when one is due. */
  pollChallenge(nowMicros: number, random: RandomBytes, ptoMicros: number): Uint8Array | undefined {
    if (!this.challengeDue) return undefined
    this.challengeDue = false
    // RFC 9000 §8.2.1 #1 #S2, §9.4 #3 #S1: unpredictable data in every frame, and frames no more often than Initials
    this.nextChallengeAt = nowMicros + ptoMicros * 2 ** this.sent
    this.sent++
    this.mustExpand = true
    const challenge = { data: random(DATA_BYTES), round: this.round, expanded: false }
    if (this.challenges.length === MAX_CHALLENGES) this.challenges.shift()
    this.challenges.push(challenge)
    this.leaving = challenge
    return challenge.data
  }

  /** The data of a PATH_RESPONSE to put into the packet being built. RFC 9000 §8.2.2 #7: each is sent once. */
  pollResponse(): Uint8Array | undefined {
    const data = this.responses.shift()
    if (data !== undefined) this.mustExpand = this.isAnswering = true
    return data
  }

  /** True, once, when the datagram being built must reach 1200 bytes if the amplification limit lets it. */
  takeMustExpand(): boolean {
    const must = this.mustExpand
    this.mustExpand = false
    return must
  }

  /** The datagram with what was polled is complete. */
  onDatagramSent(size: number): void {
    if (this.leaving !== undefined && size >= MIN_DATAGRAM_BYTES) this.leaving.expanded = true
    this.leaving = undefined
    if (this.isAnswering) this.askedBytes = 0
    this.isAnswering = false
  }

  /** Queues the answer to a PATH_CHALLENGE that arrived on this path in a datagram of `bytes`. Keeps `data`. */
  onChallenge(data: Uint8Array, bytes: number): void {
    this.askedBytes = Math.max(this.askedBytes, bytes)
    if (this.responses.length === MAX_RESPONSES) this.responses.shift()
    this.responses.push(data)
  }

  /** A PATH_RESPONSE that arrived on this or any other path. RFC 9000 §8.2.3 */
  onResponse(data: Uint8Array, nowMicros: number): ResponseOutcome {
    const challenge = this.challenges.find((sent) => sameBytes(sent.data, data))
    if (challenge === undefined) return "rejected"
    if (this.state !== "validating" || challenge.round !== this.round) return "late"
    if (nowMicros >= this.expiresAt) return "late"
    this.addressValidated = true
    if (!challenge.expanded) {
      // RFC 9000 §8.2.1 #3, §8.2.3: the size of the path is not proven; it takes another, expanded, challenge
      this.begin(nowMicros)
      return "addressValidated"
    }
    this.state = "validated"
    this.settle()
    return "validated"
  }

  /** When `sweep` has something to do. */
  get deadlineMicros(): number {
    return Math.min(this.nextChallengeAt, this.expiresAt)
  }

  /** Lets time pass: true, once, when the validation has timed out; another challenge may have become due. */
  sweep(nowMicros: number): boolean {
    if (nowMicros >= this.expiresAt) {
      this.state = "timedOut"
      this.settle()
      return true
    }
    if (nowMicros >= this.nextChallengeAt) {
      this.nextChallengeAt = Number.POSITIVE_INFINITY
      this.challengeDue = true
    }
    return false
  }

  private begin(nowMicros: number): void {
    this.round++
    this.sent = 0
    this.state = "validating"
    this.challengeDue = true
    this.nextChallengeAt = Number.POSITIVE_INFINITY
    this.expiresAt = nowMicros + this.timeoutMicros
  }

  private settle(): void {
    this.challengeDue = false
    this.nextChallengeAt = Number.POSITIVE_INFINITY
    this.expiresAt = Number.POSITIVE_INFINITY
  }
}
