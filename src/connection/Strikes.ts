import type { StrikeLimits } from "../admission/Limits.ts"
import type { Conduct } from "../stream/Conduct.ts"
import { frameProperties } from "../wire/FrameType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"

type Result = TransportError | undefined

/** How much of something a peer may do. Each frame beyond it is a strike. */
interface Allowance {
  readonly perSecond: number
  readonly atOnce: number
  /** What can be saved up. */
  readonly most: number
  /** For each packet received. */
  readonly perPacket: number
  /** For each frame received that changed something. */
  readonly perUseful: number
}

/**
 * What a peer may do that does no good. An honest one stays far below, whatever a network does to its packets:
 *
 * - `needless`: frames that change nothing. PING, IMMEDIATE_ACK, ACK_FREQUENCY, NEW_TOKEN, CRYPTO and HANDSHAKE_DONE
 *   after the handshake, data that has arrived already, STREAM without data, frames about closed streams, limits that do
 *   not rise, BLOCKED, a second ACK in a packet. Honest peers probe, keep alive, send a PING with some of their ACKs
 *   (RFC 9000 §13.2.4; quic-go with every twentieth, hence `perPacket`), and resend what had arrived, at most as much as
 *   they sent (hence `perUseful`).
 * - `pathChallenge`: PATH_CHALLENGE. A validation sends a few, at growing intervals. RFC 9000 §8.2.1 #S2
 * - `pathResponse`: PATH_RESPONSE that matches no challenge, beyond one for each challenge that was sent and may have been
 *   given up. RFC 9000 §19.18
 * - `connectionIds`: RETIRE_CONNECTION_ID, and NEW_CONNECTION_ID that makes us retire one or is a repetition. An honest
 *   peer sends two or three for each migration and each change of its IDs. CVE-2024-22189
 * - `candidates`: ADD_ADDRESS, REACH_OUT and REMOVE_ADDRESS. A round has a few dozen at most, and comes every few seconds.
 * - `abandoned`: RESET_STREAM and STOP_SENDING for streams the peer opened: honest from callers that no longer wait.
 *
 * Datagrams that overflow the queue cost nothing: a sender cannot know how fast they are read. RFC 9221 §5
 */
export const allowances = {
  needless: { perSecond: 1_000, atOnce: 1_024, most: 65_536, perPacket: 1 / 4, perUseful: 2 },
  pathChallenge: { perSecond: 50, atOnce: 256, most: 256, perPacket: 0, perUseful: 0 },
  pathResponse: { perSecond: 25, atOnce: 128, most: 128, perPacket: 0, perUseful: 0 },
  connectionIds: { perSecond: 64, atOnce: 256, most: 256, perPacket: 0, perUseful: 0 },
  candidates: { perSecond: 32, atOnce: 256, most: 256, perPacket: 0, perUseful: 0 },
  abandoned: { perSecond: 200, atOnce: 2_000, most: 65_536, perPacket: 0, perUseful: 1 / 4 }
} as const satisfies Record<string, Allowance>

export type Misconduct = keyof typeof allowances

/** What is left of an allowance, brought up to date when it is used. */
interface Account {
  left: number
  atMicros: number
  packets: number
  useful: number
}

/**
 * Counts what a peer does that does no good, though no frame by itself is an error: beyond an allowance each frame is a
 * strike, and so many strikes within so much time end the connection with PROTOCOL_VIOLATION. RFC 9000 §21.9 #S1
 *
 * Only frames of 1-RTT packets count, which nobody but the peer can have sealed: Initial packets can be forged by whoever
 * sees the first one, and 0-RTT packets replayed.
 */
export class Strikes implements Conduct {
  /** Since the start. */
  total = 0
  useful = 0
  /** They have ended the connection. */
  isOut = false
  private readonly limits: StrikeLimits
  private readonly startMicros: number
  private packets = 0
  private nowMicros = 0
  private isCounting = false
  /** Frame types seen in this packet, by their low bits. */
  private seen = 0
  /** Created when first needed: most peers never need them. @internal */
  accounts: Partial<Record<Misconduct, Account>> | undefined = undefined
  private times: Array<number> | undefined = undefined

  constructor(limits: StrikeLimits, nowMicros: number) {
    this.limits = limits
    this.startMicros = nowMicros
  }

  /** The frames of an authentic packet follow; `isPeers` when only the peer can have sent it. */
  begin(isPeers: boolean, nowMicros: number): void {
    this.isCounting = isPeers
    this.nowMicros = nowMicros
    this.seen = 0
    this.packets++
  }

  needless(frameType: number): Result {
    return this.charge("needless", frameType)
  }

  oncePerPacket(frameType: number): Result {
    const bit = 1 << (frameType & 0x1f)
    const isAgain = (this.seen & bit) !== 0
    this.seen |= bit
    return isAgain ? this.needless(frameType) : undefined
  }

  abandoned(frameType: number): Result {
    return this.charge("abandoned", frameType)
  }

  /** Uses the allowance, or is a strike. Returns the error that ends the connection, if it is one too many. */
  charge(what: Misconduct, frameType: number): Result {
    return this.isWithin(what) ? undefined : this.strike(what, frameType)
  }

  /** Uses the allowance; false when nothing is left of it. */
  isWithin(what: Misconduct): boolean {
    if (!this.isCounting) return true
    const account = this.account(what)
    if (account.left < 1) return false
    account.left--
    return true
  }

  /** A frame beyond its allowance. */
  strike(what: Misconduct, frameType: number): Result {
    this.total++
    const { count, windowMillis } = this.limits
    if (count === 0) return undefined
    const times = (this.times ??= [])
    times.push(this.nowMicros)
    if (times.length > count) times.shift()
    if (times.length < count || this.nowMicros - times[0] > windowMillis * 1000) return undefined
    this.isOut = true
    const frame = frameProperties(frameType)?.name
    const reason = `${count} strikes within ${windowMillis / 1000} s, the last for ${reasons[what]}: ${frame}`
    return new TransportError(TransportErrorCode.PROTOCOL_VIOLATION, reason, frameType)
  }

  private account(what: Misconduct): Account {
    const accounts = (this.accounts ??= {})
    const { nowMicros, packets, useful } = this
    const { atOnce, most, perSecond, perPacket, perUseful } = allowances[what]
    const account = (accounts[what] ??= { left: atOnce, atMicros: this.startMicros, packets: 0, useful: 0 })
    const earned =
      ((nowMicros - account.atMicros) / 1e6) * perSecond +
      (packets - account.packets) * perPacket +
      (useful - account.useful) * perUseful
    account.left = Math.min(most, account.left + earned)
    account.atMicros = nowMicros
    account.packets = packets
    account.useful = useful
    return account
  }
}

const reasons: Record<Misconduct, string> = {
  needless: "too many frames that change nothing",
  pathChallenge: "too many path challenges",
  pathResponse: "responses to no path challenge",
  connectionIds: "too many changes of connection IDs",
  candidates: "too many candidates for direct paths",
  abandoned: "too many streams opened and given up"
}
