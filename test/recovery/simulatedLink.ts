import type { CongestionControllerFactory } from "../../src/recovery/CongestionController.ts"
import type { PathRecovery } from "../../src/recovery/PathRecovery.ts"
import { Ecn, ReceivedPackets } from "../../src/recovery/ReceivedPackets.ts"
import { AckFrame } from "../../src/wire/AckFrame.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { confirmed, seeded } from "./support.ts"

export interface LinkOptions {
  readonly congestion: CongestionControllerFactory
  readonly megabitsPerSecond: number
  readonly roundTripMillis: number
  /** Capacity of the bottleneck queue in bytes; default: one bandwidth-delay product. */
  readonly queueBytes?: number
  /** Fraction of packets lost at random. */
  readonly loss?: number
  readonly seed?: number
  /** Drops chosen packets, in addition to queue drops. */
  readonly drop?: (packetNumber: number, nowMicros: number) => boolean
  /** Granularity of the sender's timers. Node's: 1 ms. */
  readonly timerMicros?: number
  /** Total bytes the application has produced by a given time; default: unlimited. */
  readonly available?: (nowMicros: number) => number
}

interface Event {
  readonly atMicros: number
  readonly order: number
  readonly run: (nowMicros: number) => void
}

const datagram = 1200

/** A sender, a bottleneck with a tail-drop queue, and a receiver that acknowledges as in RFC 9000 §13.2. */
export class SimulatedLink {
  readonly recovery: PathRecovery
  readonly received: ReceivedPackets = new ReceivedPackets(Space.Application)
  nowMicros = 0
  sentBytes = 0
  deliveredBytes = 0
  droppedPackets = 0
  mostQueued = 0
  /** When each packet was sent. */
  readonly departures: Array<number> = []
  readonly windows: Array<{ atMicros: number; window: number }> = []

  private readonly options: LinkOptions
  private bytesPerMicro: number
  private readonly queueBytes: number
  private readonly random: () => number
  private readonly events: Array<Event> = []
  private order = 0
  private busyUntilMicros = 0
  private wakeAtMicros = Number.POSITIVE_INFINITY
  private ackAtMicros = Number.POSITIVE_INFINITY

  constructor(options: LinkOptions) {
    this.options = options
    this.recovery = confirmed({ congestion: options.congestion, maxDatagramSize: datagram })
    this.bytesPerMicro = options.megabitsPerSecond / 8
    this.queueBytes = options.queueBytes ?? this.bandwidthDelayBytes
    this.random = seeded(options.seed ?? 1)
  }

  get bandwidthDelayBytes(): number {
    return this.bytesPerMicro * this.options.roundTripMillis * 1_000
  }

  /** Applies from now on; queued packets keep their times. */
  setMegabitsPerSecond(megabitsPerSecond: number): void {
    this.bytesPerMicro = megabitsPerSecond / 8
  }

  /** Delivered bytes divided by the link's capacity since `fromMicros`. */
  utilization(deliveredBefore = 0, fromMicros = 0): number {
    return (this.deliveredBytes - deliveredBefore) / (this.bytesPerMicro * (this.nowMicros - fromMicros))
  }

  run(untilMicros: number): this {
    this.pump(this.nowMicros)
    for (;;) {
      const event = this.events[0]
      if (event === undefined || event.atMicros > untilMicros) break
      this.pop()
      this.nowMicros = event.atMicros
      event.run(event.atMicros)
    }
    this.nowMicros = untilMicros
    return this
  }

  private pump(nowMicros: number): void {
    const { recovery, options } = this
    let allowed =
      options.available === undefined
        ? Number.POSITIVE_INFINITY
        : options.available(nowMicros) - this.sentBytes
    while (allowed >= datagram && recovery.sendQuota(nowMicros) >= datagram) {
      this.send(nowMicros)
      allowed -= datagram
    }
    if (allowed < datagram && recovery.sendQuota(nowMicros) >= datagram) recovery.onAppLimited()
    this.windows.push({ atMicros: nowMicros, window: recovery.congestionWindow })
    const next = allowed < datagram ? nowMicros + 1_000 : recovery.nextSendMicros(nowMicros)
    this.wakeAt(Math.min(next, recovery.deadlineMicros()))
  }

  private wakeAt(atMicros: number): void {
    const tick = this.options.timerMicros ?? 1
    const at = Math.max(Math.ceil(atMicros / tick) * tick, this.nowMicros + 1)
    if (at >= this.wakeAtMicros || at === Number.POSITIVE_INFINITY) return
    this.wakeAtMicros = at
    this.at(at, (now) => {
      if (this.wakeAtMicros !== now) return
      this.wakeAtMicros = Number.POSITIVE_INFINITY
      for (let probes = this.recovery.onTimeout(now).probes; probes > 0; probes--) this.send(now)
      this.pump(now)
    })
  }

  private send(nowMicros: number): void {
    const packet = this.recovery.begin(Space.Application)
    const { packetNumber } = packet
    this.recovery.commit(packet, datagram, true, true, nowMicros)
    this.sentBytes += datagram
    this.departures.push(nowMicros)
    const queued = Math.max(0, this.busyUntilMicros - nowMicros) * this.bytesPerMicro
    const unlucky = this.options.loss !== undefined && this.random() < this.options.loss
    if (
      queued + datagram > this.queueBytes ||
      unlucky ||
      this.options.drop?.(packetNumber, nowMicros) === true
    ) {
      this.droppedPackets++
      return
    }
    this.mostQueued = Math.max(this.mostQueued, queued + datagram)
    this.busyUntilMicros = Math.max(this.busyUntilMicros, nowMicros) + datagram / this.bytesPerMicro
    const arrival = Math.ceil(this.busyUntilMicros + (this.options.roundTripMillis * 1_000) / 2)
    this.at(arrival, (now) => this.arrive(packetNumber, now))
  }

  private arrive(packetNumber: number, nowMicros: number): void {
    if (this.received.isDuplicate(packetNumber)) return
    this.received.onReceived(packetNumber, true, nowMicros, Ecn.NotEct)
    this.deliveredBytes += datagram
    if (this.received.shouldAckNow(nowMicros)) this.acknowledge(nowMicros)
    else if (this.received.ackDeadlineMicros < this.ackAtMicros) {
      this.ackAtMicros = this.received.ackDeadlineMicros
      this.at(this.ackAtMicros, (now) => {
        this.ackAtMicros = Number.POSITIVE_INFINITY
        if (this.received.shouldAckNow(now)) this.acknowledge(now)
      })
    }
  }

  private acknowledge(nowMicros: number): void {
    const ack = new AckFrame()
    this.received.fillAck(ack, nowMicros, 3)
    this.received.onAckSent()
    // Assumes ACKs are themselves acknowledged a round trip later.
    this.received.onAckOfAck(ack.largest - 2_000)
    this.at(nowMicros + (this.options.roundTripMillis * 1_000) / 2, (now) => {
      const error = this.recovery.onAck(Space.Application, ack, ack.delayRaw * 8, now)
      if (error !== undefined) throw new Error(error.reason)
      this.pump(now)
    })
  }

  private at(atMicros: number, run: (nowMicros: number) => void): void {
    const { events } = this
    const event = { atMicros, order: this.order++, run }
    let i = events.push(event) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (before(events[parent], event)) break
      events[i] = events[parent]
      i = parent
    }
    events[i] = event
  }

  private pop(): void {
    const { events } = this
    const last = events.pop()
    if (last === undefined || events.length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= events.length) break
      if (child + 1 < events.length && before(events[child + 1], events[child])) child++
      if (before(last, events[child])) break
      events[i] = events[child]
      i = child
    }
    events[i] = last
  }
}

const before = (a: Event, b: Event): boolean =>
  a.atMicros < b.atMicros || (a.atMicros === b.atMicros && a.order < b.order)
