import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BbrV3 } from "../../src/recovery/BbrV3.ts"
import type { CongestionControllerFactory } from "../../src/recovery/CongestionController.ts"
import { Cubic } from "../../src/recovery/Cubic.ts"
import { NewReno } from "../../src/recovery/NewReno.ts"
import type { PathRecovery } from "../../src/recovery/PathRecovery.ts"
import { maxTrackedAckOnly } from "../../src/recovery/SentPackets.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { ackOf, confirmed, packetsOf } from "./support.ts"

const spaces = [Space.Initial, Space.Handshake, Space.Application] as const

/** What can happen to a path, in any order. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("send" as const),
      space: fc.constantFrom(...spaces),
      count: fc.integer({ min: 1, max: 8 }),
      size: fc.integer({ min: 30, max: 1200 }),
      kind: fc.constantFrom("data", "data", "data", "ack", "padding", "mtu")
    })
  },
  {
    weight: 5,
    arbitrary: fc.record({
      _tag: fc.constant("ack" as const),
      space: fc.constantFrom(...spaces),
      /** Offsets from the newest packet: start and length of each range. */
      cuts: fc.array(fc.tuple(fc.nat(6), fc.nat(6)), { minLength: 1, maxLength: 5 }),
      delay: fc.nat(50_000)
    })
  },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("wait" as const), micros: fc.nat(400_000) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("ecn" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("skip" as const), space: fc.constantFrom(...spaces) })
  },
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("abandon" as const), space: fc.constantFrom(...spaces) })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      _tag: fc.constant("discard" as const),
      space: fc.constantFrom(Space.Initial, Space.Handshake)
    })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("migrate" as const) }) }
)
type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

interface Sent {
  readonly size: number
  inFlight: boolean
  readonly ackOnly: boolean
  fate: "outstanding" | "acked" | "lost" | "late" | "discarded"
}

class Model {
  readonly recovery: PathRecovery
  readonly sent: ReadonlyArray<Map<number, Sent>> = [new Map(), new Map(), new Map()]
  readonly skipped: ReadonlyArray<Set<number>> = [new Set(), new Set(), new Set()]
  nowMicros = 0
  private readonly discarded = new Set<Space>()

  constructor(congestion: CongestionControllerFactory) {
    this.recovery = confirmed({ congestion })
  }

  apply(step: Step): void {
    const { recovery } = this
    this.nowMicros += 500
    // without keys nothing is sent or received in it again
    if ("space" in step && this.discarded.has(step.space)) return
    switch (step._tag) {
      case "send":
        for (let i = 0; i < step.count; i++) {
          const packet = recovery.begin(step.space)
          packet.isMtuProbe = step.kind === "mtu"
          const inFlight = step.kind !== "ack"
          this.sent[step.space].set(packet.packetNumber, {
            size: step.size,
            inFlight,
            ackOnly: !inFlight,
            fate: "outstanding"
          })
          recovery.commit(packet, step.size, inFlight && step.kind !== "padding", inFlight, this.nowMicros)
        }
        break
      case "ack": {
        const ranges = this.rangesOf(step.space, step.cuts)
        if (ranges.length === 0) break
        const error = recovery.onAck(step.space, ackOf(...ranges), step.delay, this.nowMicros)
        expect(error).toBeUndefined()
        this.collect()
        for (const packet of packetsOf(recovery.acked).concat(packetsOf(recovery.lateAcked))) {
          expect(ranges.some(([from, to]) => packet.packetNumber >= from && packet.packetNumber <= to)).toBe(
            true
          )
        }
        break
      }
      case "wait": {
        this.nowMicros += step.micros
        const kind = recovery.onTimeout(this.nowMicros).kind
        if (kind === "probe") expect(recovery.lost.length).toBe(0)
        const wasIdle = kind === "loss" && recovery.lost.length === 0
        this.collect()
        // a new RTT sample in another space may have extended the time threshold of any space that was due
        if (wasIdle) {
          for (let i = 1; i < spaces.length && recovery.deadlineMicros() <= this.nowMicros; i++) {
            recovery.onTimeout(this.nowMicros)
            this.collect()
          }
          expect(recovery.deadlineMicros()).toBeGreaterThan(this.nowMicros)
        }
        break
      }
      case "ecn":
        recovery.onEcnCongestion(this.nowMicros)
        break
      case "skip":
        this.skipped[step.space].add(recovery.nextPacketNumber(step.space))
        recovery.skipPacketNumber(step.space)
        break
      case "abandon":
        recovery.abandonPackets(step.space, this.nowMicros)
        this.collect()
        break
      case "discard":
        recovery.discardSpace(step.space, this.nowMicros)
        this.discarded.add(step.space)
        for (const packet of this.sent[step.space].values()) {
          if (packet.fate === "outstanding" || packet.fate === "lost") packet.fate = "discarded"
        }
        break
      case "migrate":
        recovery.resetForMigration(this.nowMicros)
        for (const space of spaces) for (const packet of this.sent[space].values()) packet.inFlight = false
    }
    this.check()
  }

  /** Descending ranges of sent packet numbers. */
  private rangesOf(space: Space, cuts: ReadonlyArray<readonly [number, number]>): Array<[number, number]> {
    const ranges: Array<[number, number]> = []
    let top = this.recovery.nextPacketNumber(space) - 1
    for (const [gap, length] of cuts) {
      top -= gap
      while (top >= 0 && this.skipped[space].has(top)) top--
      if (top < 0) break
      let bottom = top
      while (bottom > 0 && top - bottom < length && !this.skipped[space].has(bottom - 1)) bottom--
      ranges.push([bottom, top])
      top = bottom - 2
    }
    return ranges
  }

  private collect(): void {
    const { recovery } = this
    const settle = (space: Space, number: number, from: Sent["fate"], to: Sent["fate"]): void => {
      const packet = this.sent[space].get(number)
      expect(packet?.fate).toBe(from)
      if (packet !== undefined) packet.fate = to
    }
    for (const packet of packetsOf(recovery.acked))
      settle(packet.space, packet.packetNumber, "outstanding", "acked")
    for (const packet of packetsOf(recovery.lateAcked))
      settle(packet.space, packet.packetNumber, "lost", "late")
    for (const packet of packetsOf(recovery.lost))
      settle(packet.space, packet.packetNumber, "outstanding", "lost")
  }

  private check(): void {
    const { recovery } = this
    let inFlight = 0
    for (const space of spaces) {
      for (const packet of this.sent[space].values()) {
        if (packet.fate === "outstanding" && packet.inFlight) inFlight += packet.size
      }
    }
    expect(recovery.bytesInFlight).toBe(inFlight)
    expect(recovery.congestionWindow).toBeGreaterThanOrEqual(2400)
    expect(Number.isFinite(recovery.congestionWindow)).toBe(true)
    expect(recovery.sendQuota(this.nowMicros)).toBeGreaterThanOrEqual(0)
    expect(recovery.rtt.smoothedMicros).toBeGreaterThan(0)
  }
}

const controllers: ReadonlyArray<readonly [string, CongestionControllerFactory]> = [
  ["NewReno", (size) => new NewReno(size)],
  ["CUBIC", (size) => new Cubic(size)],
  ["BBR", (size) => new BbrV3(size)]
]

describe.each(controllers)("bookkeeping under %s", (_, congestion) => {
  it("settles every packet once, and bytes in flight match the outstanding packets", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const model = new Model(congestion)
        for (const step of steps) model.apply(step)
      }),
      { numRuns: 400 }
    )
  })

  it("settles everything in the end when the peer acknowledges everything", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model = new Model(congestion)
        for (const step of steps) model.apply(step)
        for (const space of spaces) {
          model.apply({ _tag: "send", space, count: 1, size: 100, kind: "data" })
          for (let i = 0; i < 200; i++) {
            const cuts: Array<[number, number]> = [[0, 1_000]]
            while (cuts.length < 100) cuts.push([0, 1_000])
            model.apply({ _tag: "ack", space, cuts, delay: 0 })
            if (model.recovery.oldestOutstanding(space) === undefined) break
          }
          const left = [...model.sent[space].values()].filter((packet) => packet.fate === "outstanding")
          expect(left.filter((packet) => !packet.ackOnly)).toEqual([])
          expect(left.length).toBeLessThanOrEqual(maxTrackedAckOnly)
        }
        expect(model.recovery.bytesInFlight).toBe(0)
      }),
      { numRuns: 100 }
    )
  })
})
