/**
 * How many bytes of the messages of an unordered channel are on their way to whoever receives them.
 *
 * The receiver finishes its side of a message's stream once the message is taken: so what nobody takes fills no more of
 * the connection's flow control window than this.
 */
import * as Effect from "effect/Effect"
import { WaitList } from "../actor/WaitList.ts"

/** The receiver has room for so much more than for messages that are whole. */
export const FLIGHT_BYTES = 1024 * 1024

export class Flight {
  private bytes = 0
  private unacknowledged = 0
  private readonly left = new WaitList()

  /** Waits until there is room, or nothing else. */
  join(bytes: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.bytes > 0 && this.bytes + bytes > FLIGHT_BYTES) return this.left.parkThen(this.join(bytes))
      this.bytes += bytes
      this.unacknowledged++
      return Effect.void
    })
  }

  /** The peer has the message, whether it is taken or not. */
  acknowledge(): void {
    this.unacknowledged--
    this.left.wakeAll()
  }

  leave(bytes: number): void {
    this.bytes -= bytes
    this.left.wakeAll()
  }

  /** Waits until all is acknowledged. */
  get over(): Effect.Effect<void> {
    return Effect.suspend(() => (this.unacknowledged === 0 ? Effect.void : this.left.parkThen(this.over)))
  }
}
