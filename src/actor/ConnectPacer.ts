import * as Effect from "effect/Effect"
import { WaitList } from "./WaitList.ts"

/** Handshakes of our own that begin in one turn of the loop. */
const PER_TURN = 4

/** Starts a crowd of handshakes a few at a time, so that those under way go on. */
export class ConnectPacer {
  private readonly ring: () => void
  private readonly waiting = new WaitList()
  private begun = 0
  private isClosed = false

  /** `ring` asks the loop for another turn. */
  constructor(ring: () => void) {
    this.ring = ring
  }

  /** Waits until one more handshake can begin. */
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

  /** Nobody waits any longer: the endpoint is closed. */
  close(): void {
    this.isClosed = true
    this.waiting.wakeAll()
  }
}
