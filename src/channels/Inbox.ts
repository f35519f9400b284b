/**
 * Messages that were received and not yet taken.
 *
 * Whoever puts messages in first reserves room for them, and waits while there is none: so the peer's flow control and
 * its stream limit become the backpressure. Taking is one step, so that an interrupt loses nothing.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { WaitList } from "../actor/WaitList.ts"
import type { QuicError } from "../QuicError.ts"

/** What an item costs besides its bytes. */
const ITEM_BYTES = 64

/** A message, or a failure. */
export interface Item {
  readonly exit: Exit.Exit<unknown, QuicError>
  readonly bytes: number
  isTaken: boolean
}

export class Inbox {
  /** Woken with each item, and when there will be none. */
  readonly arrived = new WaitList()
  private readonly taken = new WaitList()
  private items: Array<Item | undefined> = []
  private first = 0
  private held = 0

  get isEmpty(): boolean {
    return this.first === this.items.length
  }

  get heldBytes(): number {
    return this.held
  }

  /** Waits until a message of `bytes` fits below `limit`, or is the only one, and reserves its room. */
  reserve(bytes: number, limit: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const cost = bytes + ITEM_BYTES
      if (this.held > 0 && this.held + cost > limit) return this.taken.parkThen(this.reserve(bytes, limit))
      this.held += cost
      return Effect.void
    })
  }

  /** Gives back the room of a message that did not arrive. */
  release(bytes: number): void {
    this.held -= bytes + ITEM_BYTES
    this.taken.wakeAll()
  }

  /** Puts in a message whose room is reserved. */
  put(message: unknown, bytes: number): Item {
    return this.push({ exit: Exit.succeed(message), bytes: bytes + ITEM_BYTES, isTaken: false })
  }

  /** Waits until it is taken. */
  whenTaken(item: Item): Effect.Effect<void> {
    return Effect.suspend(() => (item.isTaken ? Effect.void : this.taken.parkThen(this.whenTaken(item))))
  }

  /** Puts in a message, and drops the oldest ones while they hold more than `limit`; returns how many. */
  putNewest(message: unknown, bytes: number, limit: number): number {
    const cost = bytes + ITEM_BYTES
    let dropped = 0
    for (; !this.isEmpty && this.held + cost > limit; dropped++) this.take()
    this.held += cost
    this.put(message, bytes)
    return dropped
  }

  /** What whoever takes it fails with, once. Several in a row are one, as they cost the peer little. */
  putFailure(error: QuicError): void {
    if (!this.isEmpty && Exit.isFailure(this.items.at(-1)!.exit)) this.items.pop()
    this.push({ exit: Exit.fail(error), bytes: 0, isTaken: false })
  }

  /** The oldest; undefined if there is none. */
  take(): Exit.Exit<unknown, QuicError> | undefined {
    if (this.isEmpty) return undefined
    const item = this.items[this.first]!
    item.isTaken = true
    this.items[this.first++] = undefined
    if (this.first > 32 && this.first * 2 > this.items.length) {
      this.items = this.items.slice(this.first)
      this.first = 0
    }
    this.held -= item.bytes
    this.taken.wakeAll()
    return item.exit
  }

  /** Those that are there, up to a failure. */
  takeMessages(): ReadonlyArray<unknown> {
    const messages: Array<unknown> = []
    while (!this.isEmpty) {
      const { exit } = this.items[this.first]!
      if (Exit.isFailure(exit)) break
      messages.push(exit.value)
      this.take()
    }
    return messages
  }

  private push(item: Item): Item {
    this.items.push(item)
    this.arrived.wakeAll()
    return item
  }
}
