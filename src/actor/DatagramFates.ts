import type * as Effect from "effect/Effect"
import type { QuicError } from "../QuicError.ts"
import type { DatagramFate } from "../stream/DatagramQueue.ts"

/** Receives what became of a datagram, or of its connection. */
export type OnFate = (fate: Effect.Effect<DatagramFate, QuicError>) => void

/** Who waits for the fate of a datagram, by the datagram's id. */
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

  /** The connection is over. */
  failAll(failure: Effect.Effect<never, QuicError>): void {
    for (const onFate of this.listeners.values()) onFate(failure)
    this.listeners.clear()
  }
}
