/**
 * The claims of one connection that tell their streams by their first bytes.
 *
 * An incoming stream belongs to the claim whose preamble it begins with, which is consumed; before enough has arrived to
 * tell, it is undecided. It is looked at where it lies, so that a stream which no claim takes goes on to the application
 * untouched. Undecided streams wait side by side and hold up no other; each holds less than a preamble, and behind a gap
 * what flow control allows. Their number is limited, as is their time. A stream that nobody takes at all is refused, as it
 * would count against the peer's limit for ever: at once, if the peer has reset it.
 */
import * as Effect from "effect/Effect"
import { invalidOption } from "../QuicError.ts"
import type { StreamSet } from "../stream/StreamSet.ts"
import type { StreamClaim } from "./StreamClaim.ts"

/**
 * Application error codes with which streams are reset and stopped that nobody takes.
 *
 * **Details**
 *
 * Only on connections with claims.
 *
 * - `unclaimed` (0x45510001): its first bytes match no claim, and the application accepts no streams
 * - `undecided` (0x45510002): its first bytes could still become a preamble but did not arrive in time, or too many
 *   streams were in that state at once
 *
 * @category constants
 * @since 0.1.0
 */
export const carrierErrorCodes = {
  /** No claim takes the stream, and the application has never accepted one like it. */
  unclaimed: 0x4551_0001,
  /** Too little has arrived to tell whose the stream is. */
  undecided: 0x4551_0002
} as const

/** The longest preamble. */
export const MAX_PREAMBLE_BYTES = 64
/** A further one refuses the oldest. */
const MAX_UNDECIDED = 1_024
/**
 * A stream is refused at the fourth tick after it has arrived, 7.5 to 10 seconds. Ticks, as a time in which this process
 * stands still must not count: it passes for one of them.
 */
const TICK_MILLIS = 2_500
const TICKS = 4

/** What the claims need of their connection. */
export interface ClaimHost {
  readonly core: StreamSet
  /** Calls `wake` once there is more to read, unless the returned function is called before. */
  listen(id: number, wake: () => void): () => void
  /** Leaves the stream to the other claims and to `accept`. */
  pass(id: number): void
  /** Takes streams back that are still queued, if `accept` has never been called for any like them; returns which. */
  withdraw(ids: ReadonlySet<number>): ReadonlyArray<number>
  /** There is something to send. */
  touch(): void
  /** A stream has been passed on. */
  wake(): void
  fork(effect: Effect.Effect<void>): void
}

interface Claimed {
  readonly preamble: Uint8Array
  readonly claim: StreamClaim
}

/** A stream that is waited for. */
interface Waiting {
  ticks: number
  unlisten: () => void
}

const nothing = () => {}

export class PreambleClaims implements StreamClaim {
  private readonly host: ClaimHost
  private claims: ReadonlyArray<Claimed> = []
  /** By stream ID, oldest first. */
  private readonly undecided = new Map<number, Waiting>()
  private readonly unclaimed = new Map<number, Waiting>()
  private readonly window = new Uint8Array(MAX_PREAMBLE_BYTES)
  private isTicking = false

  constructor(host: ClaimHost) {
    this.host = host
  }

  /** Whether there are any. */
  get isActive(): boolean {
    return this.claims.length > 0
  }

  /** Whether a stream could begin with both. */
  conflictsWith(preamble: Uint8Array): boolean {
    return this.claims.some((other) => areAmbiguous(other.preamble, preamble))
  }

  /** Adds a claim, until the returned function is called. */
  add(preamble: Uint8Array, claim: StreamClaim): () => void {
    const added: Claimed = { preamble, claim }
    this.claims = [...this.claims, added]
    return () => {
      this.claims = this.claims.filter((other) => other !== added)
      // they may have waited for this one
      for (const id of [...this.undecided.keys()]) this.look(id)
    }
  }

  offer(id: number): boolean {
    if (!this.isActive) return false
    const claimed = this.decide(id)
    if (claimed === "none") return false
    if (claimed === "unknown") this.wait(id)
    else this.start(id, claimed)
    return true
  }

  /** Nobody takes a stream yet; returns whether it is refused at once. */
  refusesUnclaimed(id: number): boolean {
    if (!this.isActive) return false
    // the peer gave it up before it said what it is: nobody will ever want it, and it counts against the peer's limit
    if (this.host.core.receiveOutcome(id)._tag === "reset") {
      this.refuse(this.unclaimed, id, carrierErrorCodes.unclaimed)
      return true
    }
    this.unclaimed.set(id, { ticks: 0, unlisten: nothing })
    this.tick()
    return false
  }

  private decide(id: number): Claimed | "none" | "unknown" {
    const { window, host } = this
    const length = host.core.peek(id, window)
    let isPossible = false
    for (const claimed of this.claims) {
      const { preamble } = claimed
      const compared = Math.min(length, preamble.length)
      if (!startsWith(window, preamble, compared)) continue
      if (compared === preamble.length) return claimed
      isPossible = true
    }
    return isPossible && host.core.mayGrow(id) ? "unknown" : "none"
  }

  private start(id: number, { preamble, claim }: Claimed): void {
    const { core } = this.host
    for (let left = preamble.length; left > 0; ) left -= core.read(id, left)!.length
    this.host.touch()
    claim.offer(id)
  }

  private wait(id: number): void {
    const oldest = this.undecided.size >= MAX_UNDECIDED ? this.undecided.keys().next().value : undefined
    if (oldest !== undefined) this.refuse(this.undecided, oldest, carrierErrorCodes.undecided)
    const waiting = { ticks: 0, unlisten: nothing }
    this.undecided.set(id, waiting)
    this.listen(id, waiting)
    this.tick()
  }

  private listen(id: number, waiting: Waiting): void {
    waiting.unlisten = this.host.listen(id, () => this.look(id))
  }

  /** More of an undecided stream has arrived, or its claims have changed. */
  private look(id: number): void {
    const waiting = this.undecided.get(id)
    if (waiting === undefined) return
    const claimed = this.decide(id)
    waiting.unlisten()
    if (claimed === "unknown") return this.listen(id, waiting)
    this.undecided.delete(id)
    if (claimed === "none") {
      this.host.pass(id)
      this.host.wake()
    } else this.start(id, claimed)
  }

  private refuse(from: Map<number, Waiting>, id: number, code: number): void {
    const { core } = this.host
    from.get(id)?.unlisten()
    from.delete(id)
    core.reset(id, code)
    core.stop(id, code)
    this.host.touch()
  }

  /** One fiber for all that wait; none while none does. */
  private tick(): void {
    if (this.isTicking) return
    this.isTicking = true
    this.host.fork(this.ticking)
  }

  private get ticking(): Effect.Effect<void> {
    return Effect.flatMap(Effect.sleep(TICK_MILLIS), () => {
      for (const [id, waiting] of this.undecided)
        if (++waiting.ticks >= TICKS) this.refuse(this.undecided, id, carrierErrorCodes.undecided)
      const overdue = new Set<number>()
      for (const [id, waiting] of this.unclaimed) if (++waiting.ticks >= TICKS) overdue.add(id)
      for (const id of overdue) this.unclaimed.delete(id)
      for (const id of this.host.withdraw(overdue))
        this.refuse(this.unclaimed, id, carrierErrorCodes.unclaimed)
      this.isTicking = this.undecided.size + this.unclaimed.size > 0
      return this.isTicking ? this.ticking : Effect.void
    })
  }
}

const startsWith = (bytes: Uint8Array, prefix: Uint8Array, length: number): boolean => {
  for (let i = 0; i < length; i++) if (bytes[i] !== prefix[i]) return false
  return true
}

/** Fails because of another claim. */
export const ambiguousPreamble = invalidOption(
  "preamble",
  "bytes that no other claim's preamble begins with, nor begins"
)

/** Whether a stream could begin with both. */
export const areAmbiguous = (one: Uint8Array, other: Uint8Array): boolean =>
  startsWith(one, other, Math.min(one.length, other.length))
