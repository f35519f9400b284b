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
/** Challenges remembered; with the interval doubling, older ones will not be answered any more. */
const MAX_CHALLENGES = 8
/** Responses queued; the oldest are dropped. */
const MAX_RESPONSES = 8
/** RFC 9000 §14 #1, §14.2: the datagram size a QUIC path must support. */
const MIN_DATAGRAM_BYTES = 1200

/** The default minimum duration of a validation. */
export const VALIDATION_TIMEOUT_MICROS = 3_000_000

export type ValidationState = "idle" | "validating" | "validated" | "timedOut"

/** The meaning of a PATH_RESPONSE. */
export type ResponseOutcome =
  /** The peer is at this address and receives datagrams of 1200 bytes. */
  | "validated"
  /** The peer is at this address; a second round, with an expanded challenge, has begun. RFC 9000 §8.2.3 */
  | "addressValidated"
  /** It answers a challenge of an earlier validation. */
  | "late"
  /** It matches no challenge of this path. */
  | "rejected"

interface Challenge {
  readonly data: Uint8Array
  readonly sentMicros: number
  readonly round: number
  expanded: boolean
}

/**
 * Validates one pair of addresses, and answers the peer's challenges. RFC 9000 §8.2
 *
 * A response may arrive on any path, so every validator sees it. Call `sweep` at `deadlineMicros`; `pollChallenge` and
 * `pollResponse` return the data to send, at most one challenge per packet.
 */
export class PathValidator implements FrameWriter {
  state: ValidationState = "idle"
  /** The anti-amplification limit no longer applies. */
  addressValidated = false
  /** How long the peer took to answer a challenge, last time; Infinity before. */
  roundTripMicros: number = Number.POSITIVE_INFINITY
  private readonly challenges: Array<Challenge> = []
  private readonly responses: Array<Uint8Array> = []
  /** The size of the largest datagram with a challenge since the last response. */
  private challengeBytes = 0
  private isAnswering = false
  private round = 0
  /** Challenges sent in this round. */
  private sent = 0
  private challengeDue = false
  /** When the last was sent. */
  private challengedMicros = 0
  private nextChallengeAt = Number.POSITIVE_INFINITY
  private expiresAt = Number.POSITIVE_INFINITY
  private timeoutMicros = VALIDATION_TIMEOUT_MICROS
  private mustExpand = false
  /** The challenge in the datagram being built. */
  private leaving: Challenge | undefined = undefined

  /** Starts or restarts a validation. `ptoMicros` is the larger one of the current and the new path. */
  start(nowMicros: number, ptoMicros: number, timeoutMicros = VALIDATION_TIMEOUT_MICROS): void {
    // RFC 9000 §8.2.4 #S1 #S2: three PTOs, so that losing one challenge is not fatal
    this.timeoutMicros = Math.max(timeoutMicros, 3 * ptoMicros)
    this.addressValidated = false
    this.begin(nowMicros)
  }

  /** Abandons the validation without a result, for instance because another route is used. RFC 9000 §8.2.4 */
  cancel(): void {
    if (this.state !== "validating") return
    this.state = "idle"
    this.settle()
  }

  /** Whether a challenge or response is due. */
  hasFrames(): boolean {
    return this.challengeDue || this.responses.length > 0
  }

  /**
   * How large a datagram with the pending frames may be when the congestion window is full: a challenge gets its full
   * size, as challenges are rare; a response is held to the anti-amplification limit, or an attacker could have any
   * validated address flooded beyond its window. RFC 9000 §8.2.2 #2, §21.1.1
   */
  get unboundBytes(): number {
    if (this.challengeDue) return Number.POSITIVE_INFINITY
    return this.responses.length === 0 ? 0 : AMPLIFICATION_FACTOR * this.challengeBytes
  }

  /** At most one challenge (RFC 9000 §8.2.1 #S1), and all responses, since each datagram with one takes 1200 bytes. */
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

  get isChallengeDue(): boolean {
    return this.challengeDue
  }

  /** The data of the PATH_CHALLENGE for the packet being built, if one is due. */
  pollChallenge(nowMicros: number, random: RandomBytes, ptoMicros: number): Uint8Array | undefined {
    if (!this.challengeDue) return undefined
    this.challengeDue = false
    // RFC 9000 §8.2.1 #1 #S2, §9.4 #3 #S1: unpredictable data in every frame, and no more often than Initials
    this.nextChallengeAt = nowMicros + ptoMicros * 2 ** this.sent
    this.challengedMicros = nowMicros
    this.sent++
    this.mustExpand = true
    const challenge = { data: random(DATA_BYTES), sentMicros: nowMicros, round: this.round, expanded: false }
    if (this.challenges.length === MAX_CHALLENGES) this.challenges.shift()
    this.challenges.push(challenge)
    this.leaving = challenge
    return challenge.data
  }

  /** The data of a PATH_RESPONSE for the packet being built. RFC 9000 §8.2.2 #7: each is sent once. */
  pollResponse(): Uint8Array | undefined {
    const data = this.responses.shift()
    if (data !== undefined) this.mustExpand = this.isAnswering = true
    return data
  }

  /** True, once, when the datagram being built must be expanded to 1200 bytes, within the anti-amplification limit. */
  takeMustExpand(): boolean {
    const must = this.mustExpand
    this.mustExpand = false
    return must
  }

  /** The datagram with the polled frames is complete. */
  onDatagramSent(size: number): void {
    if (this.leaving !== undefined && size >= MIN_DATAGRAM_BYTES) this.leaving.expanded = true
    this.leaving = undefined
    if (this.isAnswering) this.challengeBytes = 0
    this.isAnswering = false
  }

  /** Queues the response to a PATH_CHALLENGE that arrived on this path in a datagram of `bytes`. Keeps `data`. */
  onChallenge(data: Uint8Array, bytes: number): void {
    this.challengeBytes = Math.max(this.challengeBytes, bytes)
    if (this.responses.length === MAX_RESPONSES) this.responses.shift()
    this.responses.push(data)
  }

  /** A PATH_RESPONSE that arrived on any path. RFC 9000 §8.2.3 */
  onResponse(data: Uint8Array, nowMicros: number): ResponseOutcome {
    const challenge = this.challenges.find((sent) => sameBytes(sent.data, data))
    if (challenge === undefined) return "rejected"
    if (this.state !== "validating" || challenge.round !== this.round) return "late"
    if (nowMicros >= this.expiresAt) return "late"
    this.addressValidated = true
    this.roundTripMicros = nowMicros - challenge.sentMicros
    if (!challenge.expanded) {
      // RFC 9000 §8.2.1 #3, §8.2.3: the path MTU is not validated yet; that takes another, expanded challenge
      this.begin(nowMicros)
      return "addressValidated"
    }
    this.state = "validated"
    this.settle()
    return "validated"
  }

  /** The round trip is known better than when the last challenge was sent, which was lost if it is overdue by that. */
  onMeasured(ptoMicros: number): void {
    if (this.nextChallengeAt === Number.POSITIVE_INFINITY) return
    const dueMicros = this.challengedMicros + ptoMicros * 2 ** (this.sent - 1)
    this.nextChallengeAt = Math.min(this.nextChallengeAt, dueMicros)
  }

  /** When `sweep` is due. */
  get deadlineMicros(): number {
    return Math.min(this.nextChallengeAt, this.expiresAt)
  }

  /** Advances time: true, once, when the validation has timed out; another challenge may be due. */
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
