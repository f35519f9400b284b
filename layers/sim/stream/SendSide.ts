/** The sending half of a stream: numbers its segments, paces them by a window, and repeats what was not acknowledged. */
import type { Timeline, TimelineEvent } from "../Timeline.ts"
import { maxPayload, type Segment } from "./segment.ts"

const initialWindow = 10
const leastWindow = 2
const largestWindow = 1000
/** As many later segments acknowledged make one lost. RFC 5681 §3.2 */
const reordering = 3
const initialRtoNanos = 1_000_000_000
const leastRtoNanos = 200_000_000
const longestRtoNanos = 4_000_000_000

interface Pending {
  readonly segment: Segment
  sentNanos: number
  /** Sent more than once, so its RTT says nothing. */
  isRepeated: boolean
}

export class SendSide {
  /** Bytes accepted and not acknowledged. */
  bufferedBytes = 0
  private readonly timeline: Timeline
  private readonly transmit: (segment: Segment) => void
  private readonly onBroken: () => void
  private readonly patienceNanos: number
  private waiting: Array<Pending> = []
  private readonly inFlight = new Map<number, Pending>()
  private next = 0
  private highestAcknowledged = -1
  /** Losses before this number have shrunk the window already. */
  private recoveredAt = 0
  private window = initialWindow
  private threshold = largestWindow
  private smoothedNanos = 0
  private timeouts = 0
  private progressNanos = 0
  private timer: TimelineEvent | undefined

  constructor(
    timeline: Timeline,
    transmit: (segment: Segment) => void,
    patienceMillis: number,
    onBroken: () => void
  ) {
    this.timeline = timeline
    this.transmit = transmit
    this.patienceNanos = patienceMillis * 1e6
    this.onBroken = onBroken
  }

  /** The round trip as last measured; undefined before that. */
  get rttMillis(): number | undefined {
    return this.smoothedNanos === 0 ? undefined : this.smoothedNanos / 1e6
  }

  /** Queues a message, or the end of the stream. */
  push(message: Uint8Array | undefined): void {
    if (this.inFlight.size === 0) this.progressNanos = this.timeline.nowNanos
    if (message === undefined) this.enqueue(new Uint8Array(0), true, true)
    else
      for (let start = 0; start === 0 || start < message.length; start += maxPayload) {
        const payload = message.slice(start, start + maxPayload)
        this.enqueue(payload, start + maxPayload >= message.length, false)
      }
    this.fill()
  }

  /** An acknowledgement of segment `number`, and of all before `expected`. */
  onAck(number: number, expected: number): void {
    const answered = this.inFlight.get(number)
    if (answered !== undefined && !answered.isRepeated) this.measure(answered)
    const before = this.bufferedBytes
    for (const [each, { segment }] of this.inFlight) {
      if (each >= expected && each !== number) continue
      this.inFlight.delete(each)
      this.acknowledge(segment)
    }
    this.waiting = this.waiting.filter(({ segment, isRepeated }) => {
      if (!isRepeated || (segment.number >= expected && segment.number !== number)) return true
      this.acknowledge(segment)
      return false
    })
    if (this.bufferedBytes < before) {
      this.progressNanos = this.timeline.nowNanos
      this.timeouts = 0
      this.window += this.window < this.threshold ? 1 : 1 / this.window
      if (this.window > largestWindow) this.window = largestWindow
    }
    this.repeatLost()
    this.fill()
    this.arm()
  }

  stop(): void {
    if (this.timer !== undefined) this.timeline.cancel(this.timer)
    this.timer = undefined
    this.inFlight.clear()
    this.waiting.length = 0
  }

  private enqueue(payload: Uint8Array, isLast: boolean, isEnd: boolean): void {
    this.bufferedBytes += payload.length + 1
    const segment = { kind: "data", number: this.next++, expected: 0, isLast, isEnd, payload } as const
    this.waiting.push({ segment, sentNanos: 0, isRepeated: false })
  }

  private acknowledge({ number, payload }: Segment): void {
    this.bufferedBytes -= payload.length + 1
    this.highestAcknowledged = Math.max(this.highestAcknowledged, number)
  }

  private measure({ sentNanos }: Pending): void {
    const sample = this.timeline.nowNanos - sentNanos
    this.smoothedNanos = this.smoothedNanos === 0 ? sample : (7 * this.smoothedNanos + sample) / 8
  }

  private repeatLost(): void {
    for (const [number, pending] of this.inFlight) {
      if (number + reordering > this.highestAcknowledged) return
      if (pending.isRepeated) continue
      if (number >= this.recoveredAt) {
        this.recoveredAt = this.waiting[0]?.segment.number ?? this.next
        this.threshold = Math.max(leastWindow, this.window / 2)
        this.window = this.threshold
      }
      this.repeat(pending)
    }
  }

  private repeat(pending: Pending): void {
    pending.isRepeated = true
    pending.sentNanos = this.timeline.nowNanos
    this.transmit(pending.segment)
  }

  private fill(): void {
    while (this.waiting.length > 0 && this.inFlight.size < this.window) {
      const pending = this.waiting.shift()!
      pending.sentNanos = this.timeline.nowNanos
      this.inFlight.set(pending.segment.number, pending)
      this.transmit(pending.segment)
    }
    if (this.timer === undefined) this.arm()
  }

  private arm(): void {
    if (this.timer !== undefined) this.timeline.cancel(this.timer)
    this.timer = undefined
    if (this.inFlight.size === 0) return
    const measured = this.smoothedNanos === 0 ? initialRtoNanos : 2 * this.smoothedNanos
    const base = Math.max(leastRtoNanos, measured)
    const rto = Math.min(longestRtoNanos, base * 2 ** this.timeouts)
    this.timer = this.timeline.at(this.timeline.nowNanos + rto, () => this.onTimeout())
  }

  private onTimeout(): void {
    this.timer = undefined
    if (this.timeline.nowNanos - this.progressNanos >= this.patienceNanos) return this.onBroken()
    this.timeouts++
    this.threshold = Math.max(leastWindow, this.window / 2)
    this.window = leastWindow
    const flight = [...this.inFlight.values()]
    this.inFlight.clear()
    for (const pending of flight) pending.isRepeated = true
    this.waiting = [...flight, ...this.waiting]
    this.fill()
  }
}
