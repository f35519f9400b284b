import type * as Effect from "effect/Effect"
import type { QuicError } from "../QuicError.ts"
import type { DatagramFate } from "../stream/DatagramQueue.ts"

/** Receives the fate of a datagram, or the error its connection ended with. */
export type OnFate = (fate: Effect.Effect<DatagramFate, QuicError>) => void

/** Listeners for the fates of datagrams, by datagram ID. */
export class DatagramFates {
  private readonly listeners = new Map<number, OnFate>()

  get size(): number {
    return this.listeners.size
  }

  /** Calls `onFate` once, unless the returned function is called before. */
  listen(id: number, onFate: OnFate): () => void {
    this.listeners.set(id, onFate)
    return () => this.listeners.delete(id)
  }

  settle(id: number, fate: Effect.Effect<DatagramFate, QuicError>): void {
    const onFate = this.listeners.get(id)
    this.listeners.delete(id)
    onFate?.(fate)
  }

  /** The connection has ended. */
  failAll(failure: Effect.Effect<never, QuicError>): void {
    for (const onFate of this.listeners.values()) onFate(failure)
    this.listeners.clear()
  }
}
