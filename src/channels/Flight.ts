/** How many bytes of the messages of an unordered channel are not acknowledged yet. */
import * as Effect from "effect/Effect"
import { WaitList } from "../actor/WaitList.ts"

/** The receiver has room for so much more than for messages that are whole. */
export const FLIGHT_BYTES = 1024 * 1024

export class Flight {
  private bytes = 0
  private readonly left = new WaitList()

  /** Waits until there is room, or nothing else. */
  join(bytes: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.bytes > 0 && this.bytes + bytes > FLIGHT_BYTES) return this.left.parkThen(this.join(bytes))
      this.bytes += bytes
      return Effect.void
    })
  }

  leave(bytes: number): void {
    this.bytes -= bytes
    this.left.wakeAll()
  }

  /** Waits until all is acknowledged. */
  get over(): Effect.Effect<void> {
    return Effect.suspend(() => (this.bytes === 0 ? Effect.void : this.left.parkThen(this.over)))
  }
}
