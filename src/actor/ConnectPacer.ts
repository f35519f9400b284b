import * as Effect from "effect/Effect"
import { WaitList } from "./WaitList.ts"

/** Outgoing handshakes started per turn of the loop. */
const PER_TURN = 4

/** Starts many handshakes a few at a time, so that those in progress are not delayed. */
export class ConnectPacer {
  private readonly ring: () => void
  private readonly waiting = new WaitList()
  private begun = 0
  private isClosed = false

  /** `ring` requests another turn of the loop. */
  constructor(ring: () => void) {
    this.ring = ring
  }

  /** Waits until another handshake may start. */
  readonly mayBegin: Effect.Effect<void> = Effect.suspend(() => {
    if (this.isClosed || this.begun++ < PER_TURN) return Effect.void
    this.ring()
    return this.waiting.parkThen(this.mayBegin)
  })

  get hasWaiting(): boolean {
    return this.waiting.size > 0
  }

  nextTurn(): void {
    this.begun = 0
    this.waiting.wakeFirst(PER_TURN)
  }

  /** Releases all waiters: the endpoint is closed. */
  close(): void {
    this.isClosed = true
    this.waiting.wakeAll()
  }
}
