import { Fifo } from "../internal/Fifo.ts"
import { KeyedTable } from "../internal/KeyedTable.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { SOURCE_BYTES, writeSource } from "../wire/sourcePrefix.ts"
import type { Stranger } from "./Stranger.ts"

/** An IPv4 address or an IPv6 network, with the clients that come from it. */
export class Source<C> {
  readonly key: Uint8Array
  /** Handshakes in flight. */
  begun = 0
  /** How many may be. */
  allowance: number
  readonly waiting = new Fifo<Stranger<C>>()

  constructor(key: Uint8Array, allowance: number) {
    this.key = key
    this.allowance = allowance
  }
}

/**
 * Clients that wait to begin a handshake, in turns by source: however many wait at one source, a client of another is
 * among the next. A source is passed over while it has as many handshakes in flight as it may.
 *
 * That is few for a source nothing is known of. Each handshake that completes earns it one more, or a crowd behind one
 * address would wait for one another's round trips; one that fails halves what it may.
 *
 * Sources without clients are forgotten, so the table is never larger than the number of clients.
 */
export class ClientQueue<C> {
  private readonly perSource: number
  private readonly most: number
  /** Handshakes in flight, of all sources. */
  private begun = 0
  private readonly sources: KeyedTable<Source<C>>
  /** Sources with clients that wait, the next one first. */
  private readonly turns = new Set<Source<C>>()
  private count = 0
  /** Scratch: the key looked up. */
  private readonly key = new Uint8Array(SOURCE_BYTES)

  /**
   * A source may have `perSource` handshakes in flight, and more only while all together have less than `most`: what is
   * left beyond that is for sources with few.
   */
  constructor(perSource: number, most: number, random: RandomBytes) {
    this.perSource = perSource
    this.most = most
    this.sources = new KeyedTable(random)
  }

  /** Clients that wait. */
  get length(): number {
    return this.count
  }

  /** Sources with clients that wait or have a handshake in flight. */
  get sourceCount(): number {
    return this.sources.size
  }

  /** Whether `shift` has a client to return. */
  get hasNext(): boolean {
    return this.nextSource() !== undefined
  }

  /** The source of an address, if any of its clients is known. */
  find(from: SocketAddress): Source<C> | undefined {
    return this.sources.get(this.key, 0, writeSource(from, this.key))
  }

  push(stranger: Stranger<C>): void {
    const source = this.enter(stranger.introduction.from)
    source.waiting.push(stranger)
    this.turns.add(source)
    this.count++
  }

  /** Removes the client whose turn it is. */
  shift(): Stranger<C> | undefined {
    const source = this.nextSource()
    if (source === undefined) return undefined
    const stranger = this.shiftOf(source)
    // another turn comes after those of all others
    if (this.turns.delete(source)) this.turns.add(source)
    return stranger
  }

  /** Removes the oldest client of a source. */
  shiftOf(source: Source<C>): Stranger<C> | undefined {
    return this.removed(source, source.waiting.shift())
  }

  /** Removes the newest client of a source. */
  popOf(source: Source<C>): Stranger<C> | undefined {
    return this.removed(source, source.waiting.pop())
  }

  /** A handshake of a client at this address begins. */
  begin(from: SocketAddress): void {
    this.enter(from).begun++
    this.begun++
  }

  /** It is complete, or has failed. */
  end(from: SocketAddress, isComplete: boolean): void {
    const source = this.find(from)
    if (source === undefined) return
    source.begun--
    this.begun--
    source.allowance = isComplete
      ? Math.min(source.allowance + 1, this.most)
      : Math.max(this.perSource, Math.floor(source.allowance / 2))
    this.forgetIfEmpty(source)
  }

  /** How many clients are served before the one at `position`, counted from 1, among those of its source, at most. */
  ahead(position: number): number {
    return Math.min(this.count, position * Math.max(1, this.turns.size))
  }

  /** The source with the client that has waited longest. */
  get oldest(): Source<C> | undefined {
    let oldest: Source<C> | undefined
    for (const source of this.turns)
      if (oldest === undefined || source.waiting.first!.sinceMicros < oldest.waiting.first!.sinceMicros)
        oldest = source
    return oldest
  }

  /** The source with the most clients that wait. */
  get longest(): Source<C> | undefined {
    let longest: Source<C> | undefined
    for (const source of this.turns)
      if (longest === undefined || source.waiting.length > longest.waiting.length) longest = source
    return longest
  }

  private nextSource(): Source<C> | undefined {
    const allowed = this.begun < this.most ? Number.POSITIVE_INFINITY : this.perSource
    for (const source of this.turns) if (source.begun < Math.min(allowed, source.allowance)) return source
    return undefined
  }

  private enter(from: SocketAddress): Source<C> {
    const known = this.find(from)
    if (known !== undefined) return known
    const key = this.key.slice(0, writeSource(from, this.key))
    const source = new Source<C>(key, this.perSource)
    this.sources.add(key, source)
    return source
  }

  private removed(source: Source<C>, stranger: Stranger<C> | undefined): Stranger<C> | undefined {
    if (stranger === undefined) return undefined
    this.count--
    if (source.waiting.length === 0) this.turns.delete(source)
    this.forgetIfEmpty(source)
    return stranger
  }

  private forgetIfEmpty(source: Source<C>): void {
    if (source.begun === 0 && source.waiting.length === 0) this.sources.remove(source.key, source)
  }
}
