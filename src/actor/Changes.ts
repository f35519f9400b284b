import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { WaitList } from "./WaitList.ts"

/** Something that changes: those who watch are called at each change, those who wait are woken. */
export class Changes {
  private readonly waiting = new WaitList()
  private count = 0
  private readonly watching = new Set<() => void>()

  /** Calls `onChange` at each change, until the returned function is called. It must not throw. */
  watch(onChange: () => void): () => void {
    // not the function itself: it may watch twice
    const entry = () => onChange()
    this.watching.add(entry)
    return () => void this.watching.delete(entry)
  }

  /** An element now, and one after each change; several while nobody looks are one. Never ends. */
  get stream(): Stream.Stream<void> {
    return Stream.unfold(-1, (seen) => {
      const look: Effect.Effect<readonly [undefined, number]> = Effect.suspend(() =>
        this.count === seen ? this.waiting.parkThen(look) : Effect.succeed([undefined, this.count] as const)
      )
      return look
    })
  }

  /** Waits for the next change. */
  get next(): Effect.Effect<void> {
    return this.waiting.park
  }

  announce(): void {
    this.count++
    for (const onChange of [...this.watching]) onChange()
    this.waiting.wakeAll()
  }
}
