/**
 * One end of a simulated stream: messages, reliable and in order, over packets of the simulated network, as TCP carries a
 * WebSocket's. A partition delays what is sent; one that outlasts `patienceMillis` breaks the stream.
 */
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { Timeline, TimelineEvent } from "../Timeline.ts"
import { encodeSegment, type Segment } from "./segment.ts"
import { SendSide } from "./SendSide.ts"

/** How long nothing may get through before the stream breaks. */
const patienceMillis = 20_000
const openingMillis = 10_000
const openRetryMillis = 1000
/** Segments kept that arrived before others. */
const maxEarly = 2000

/** Its host. */
export interface StreamHost {
  readonly timeline: Timeline
  /** Sends a packet of the stream between these addresses; false if the host does not have the first one any more. */
  transmit(from: SocketAddress, to: SocketAddress, bytes: Uint8Array): boolean
  /** The stream has ended. */
  forget(stream: SimStream): void
}

export class SimStream {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** Called once the other end has accepted. */
  onOpen: (() => void) | undefined
  /** Called for each message, which may be kept. */
  onMessage: ((message: Uint8Array) => void) | undefined
  /** Called once, with what ended it. */
  onClosed: ((why: string) => void) | undefined
  /** Called when fewer bytes are buffered than before. */
  onDrained: (() => void) | undefined
  private readonly host: StreamHost
  private readonly sending: SendSide
  private readonly early = new Map<number, Segment>()
  private expected = 0
  private parts: Array<Uint8Array> = []
  private isPaused = false
  private state: "opening" | "open" | "ending" | "closed"
  private opening: TimelineEvent | undefined

  constructor(host: StreamHost, local: SocketAddress, remote: SocketAddress, isOpener: boolean) {
    this.host = host
    this.local = local
    this.remote = remote
    this.state = isOpener ? "opening" : "open"
    this.sending = new SendSide(
      host.timeline,
      (segment) => this.emit(segment),
      patienceMillis,
      () => this.close("timed out")
    )
    if (isOpener) this.open(host.timeline.nowNanos + openingMillis * 1e6)
    else this.emit({ kind: "accept" })
  }

  /** Bytes accepted that the other end has not acknowledged. */
  get bufferedBytes(): number {
    return this.sending.bufferedBytes
  }

  /** The round trip as last measured. */
  get rttMillis(): number | undefined {
    return this.sending.rttMillis
  }

  /** Sends a message; it is copied. After the end it is dropped. */
  send(message: Uint8Array): void {
    if (this.state === "open") this.sending.push(message)
  }

  /**
   * Delivers nothing until `resume`. What arrives is kept and not acknowledged, so that the other end stops at its window;
   * one that is paused for `patienceMillis` breaks.
   */
  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    const before = this.expected
    this.deliverReady()
    if (this.expected > before) this.acknowledge(this.expected - 1)
  }

  /** Ends it once all that was sent has arrived. */
  end(): void {
    if (this.state === "opening") return this.close("closed")
    if (this.state !== "open") return
    this.state = "ending"
    this.sending.push(undefined)
  }

  /** Ends it at once; the other end hears of it if the packet gets through. */
  abort(): void {
    if (this.state === "closed") return
    this.emit({ kind: "reset" })
    this.close("closed")
  }

  /** Its host is gone, so that nothing is said or called. */
  drop(): void {
    this.onClosed = undefined
    this.close("closed")
  }

  /** Takes a segment of the other end. */
  receive(segment: Segment): void {
    const { kind, number, expected } = segment
    if (kind === "reset") return this.close(this.state === "ending" ? "closed" : "reset by the other end")
    if (kind === "open") return this.emit({ kind: "accept" })
    if (this.state === "opening") {
      if (this.opening !== undefined) this.host.timeline.cancel(this.opening)
      this.state = "open"
      this.onOpen?.()
    }
    if (kind === "data") this.take(segment)
    else if (kind === "ack") {
      this.sending.onAck(number, expected)
      if (this.state === "ending" && this.bufferedBytes === 0) this.close("closed")
      else this.onDrained?.()
    }
  }

  private open(untilNanos: number): void {
    const { timeline } = this.host
    if (timeline.nowNanos >= untilNanos) return this.close("nobody answers")
    this.emit({ kind: "open" })
    this.opening = timeline.at(timeline.nowNanos + openRetryMillis * 1e6, () => this.open(untilNanos))
  }

  private take(segment: Segment): void {
    if (segment.number >= this.expected && this.early.size < maxEarly) this.early.set(segment.number, segment)
    if (this.isPaused) return
    this.deliverReady()
    this.acknowledge(segment.number)
  }

  /** Until somebody pauses it. */
  private deliverReady(): void {
    while (!this.isPaused && this.state !== "closed") {
      const next = this.early.get(this.expected)
      if (next === undefined) break
      this.early.delete(this.expected++)
      this.deliver(next)
    }
  }

  private acknowledge(number: number): void {
    if (this.state !== "closed") this.emit({ kind: "ack", number, expected: this.expected })
  }

  private deliver({ payload, isLast, isEnd }: Segment): void {
    if (isEnd) {
      this.emit({ kind: "ack", number: this.expected - 1, expected: this.expected })
      return this.close("closed by the other end")
    }
    this.parts.push(payload)
    if (!isLast) return
    const message = this.parts.length === 1 ? payload : concatenated(this.parts)
    this.parts = []
    this.onMessage?.(message)
  }

  private emit(segment: Partial<Segment> & Pick<Segment, "kind">): void {
    if (!this.host.transmit(this.local, this.remote, encodeSegment(segment)))
      this.close("its address is gone")
  }

  private close(why: string): void {
    if (this.state === "closed") return
    this.state = "closed"
    if (this.opening !== undefined) this.host.timeline.cancel(this.opening)
    this.sending.stop()
    this.early.clear()
    this.host.forget(this)
    this.onClosed?.(why)
  }
}

const concatenated = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
