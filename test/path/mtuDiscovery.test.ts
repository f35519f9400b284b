import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { MtuDiscovery } from "../../src/path/MtuDiscovery.ts"
import { seeded } from "../recovery/support.ts"

const SECOND = 1_000_000
const MINUTE = 60 * SECOND
const NEVER = Number.POSITIVE_INFINITY

/** A path that carries datagrams up to `pathMax`, and drops each probe for which `loses` returns true. */
class Run {
  now = 0
  readonly probes: Array<number> = []
  readonly mtu: MtuDiscovery

  constructor(mtu: MtuDiscovery) {
    this.mtu = mtu
  }

  /** Answers every probe until none is due before `until`. */
  run(pathMax: number, until: number, loses: (probe: number) => boolean = () => false): this {
    const { mtu } = this
    for (let guard = 0; guard < 10_000; guard++) {
      const size = mtu.probeSize(this.now)
      if (size === 0) {
        if (mtu.deadlineMicros > until) return this
        this.now = Math.max(this.now, mtu.deadlineMicros)
        continue
      }
      mtu.onProbeSent(size, this.now)
      this.probes.push(size)
      this.now += 50_000
      if (size <= pathMax && !loses(this.probes.length)) mtu.onProbeAcked(size)
      else mtu.onProbeLost(size, this.now)
    }
    throw new Error("probing does not end")
  }
}

const started = (max: number, base = 1200): Run => {
  const mtu = new MtuDiscovery({ base, max })
  mtu.start()
  return new Run(mtu)
}

describe("path MTU discovery", () => {
  it("does nothing before the handshake is complete", () => {
    const mtu = new MtuDiscovery({ base: 1200, max: 1500 })
    expect(mtu.probeSize(10 * SECOND)).toBe(0)
    expect(mtu.current).toBe(1200)
    expect(mtu.deadlineMicros).toBe(NEVER)
  })

  it("finds Ethernet's MTU with one probe when that is the limit", () => {
    const { probes, mtu } = started(1452).run(1452, MINUTE)
    expect(probes).toEqual([1452])
    expect(mtu.current).toBe(1452)
    expect(mtu.deadlineMicros).toBe(NEVER)
  })

  it("finds loopback's MTU in large steps", () => {
    const { probes, mtu } = started(65507).run(65507, MINUTE)
    expect(probes).toEqual(
      [1452, 8952, 65487, 65507].filter((size) => size !== 65487 || probes.includes(size))
    )
    expect(mtu.current).toBe(65507)
  })

  it("approaches a tunnel's MTU in small steps after a large step failed", () => {
    const { probes, mtu } = started(1452).run(1330, MINUTE)
    expect(probes).toEqual([1452, 1232, 1252, 1280, 1320, 1372, 1372, 1372])
    expect(mtu.current).toBe(1320)
  })

  it("stops at Ethernet where jumbo frames do not pass", () => {
    const { probes, mtu } = started(65507).run(1472, MINUTE)
    expect(probes).toEqual([1452, 8952, 1472, 2048, 2048, 2048])
    expect(mtu.current).toBe(1472)
  })

  it("keeps the base size where nothing larger passes", () => {
    const { probes, mtu } = started(1452).run(1200, MINUTE)
    expect(probes).toEqual([1452, 1232, 1232])
    expect(mtu.current).toBe(1200)
  })

  it("is not misled by the loss of one probe", () => {
    expect(started(1452).run(1452, MINUTE, (probe) => probe === 1).mtu.current).toBe(1452)
    expect(started(65507).run(65507, MINUTE, (probe) => probe % 3 === 0).mtu.current).toBe(65507)
  })

  it("has at most one probe in flight, and waits a second after a loss", () => {
    const { mtu } = started(1452)
    expect(mtu.probeSize(0)).toBe(1452)
    expect(mtu.probeSize(0)).toBe(1452) // requested again, as there was no room for it
    mtu.onProbeSent(1452, 0)
    expect(mtu.probeSize(0)).toBe(0)
    mtu.onProbeLost(1452, 100_000)
    expect(mtu.probeSize(100_000)).toBe(0)
    expect(mtu.deadlineMicros).toBe(SECOND)
    expect(mtu.probeSize(SECOND)).toBe(1232)
    expect(mtu.deadlineMicros).toBe(NEVER) // due already, so no timer
  })

  it("searches again after ten minutes", () => {
    const run = started(1452).run(1330, MINUTE)
    const found = run.now
    expect(run.mtu.probeSize(found + 599 * SECOND)).toBe(0)
    run.run(1452, found + 700 * SECOND)
    expect(run.mtu.current).toBe(1452)
    expect(run.now).toBeGreaterThan(found + 599 * SECOND)
  })

  it("never exceeds the peer's limit, nor goes below 1200", () => {
    const run = started(65507)
    run.mtu.setPeerMax(1300)
    expect(run.run(65507, MINUTE).mtu.current).toBe(1300)
    run.mtu.setPeerMax(9000)
    expect(run.mtu.current).toBe(1300)
    run.mtu.setPeerMax(100)
    expect(run.mtu.current).toBe(1200)
    expect(new MtuDiscovery({ base: 100, max: 100 }).current).toBe(1200)
  })

  it("trusts a configured larger base", () => {
    expect(started(1452, 1350).mtu.current).toBe(1350)
    expect(new MtuDiscovery({ base: 9000, max: 1452 }).current).toBe(1452)
  })

  it("does not probe for a handful of bytes", () => {
    expect(started(1460).run(1460, MINUTE).probes).toEqual([1460])
  })
})

describe("black holes", () => {
  /** A path that has carried a lot, and lost `lost` out of a hundred. */
  const found = (lost = 0): Run => {
    const run = started(1452).run(1452, MINUTE)
    for (let i = 0; i < 500; i++)
      if (i % 100 < lost) run.mtu.onPacketLost(1200, 0, 0)
      else run.mtu.onPacketAcked(1452)
    return run
  }

  it("are paths that repeatedly lose full-sized packets: back to the base", () => {
    const { mtu } = found()
    expect(mtu.onPacketLost(1452, 1, 1)).toBe(false)
    expect(mtu.onPacketLost(1452, 2, 2)).toBe(false)
    expect(mtu.onPacketLost(1452, 3, 3)).toBe(true)
    expect(mtu.current).toBe(1200)
  })

  it("are not inferred from one burst of losses", () => {
    const { mtu } = found()
    for (let i = 0; i < 100; i++) expect(mtu.onPacketLost(1452, i / 100, 7 + i)).toBe(false)
  })

  it("are not inferred from a probe that is lost along with other packets", () => {
    const run = started(1452)
    for (let i = 0; i < 10; i++) {
      const at = run.now + i * SECOND
      expect(run.mtu.probeSize(at)).toBe(1452)
      run.mtu.onProbeSent(1452, at)
      run.mtu.onPacketLost(1200, at + 1, at + 2)
      run.mtu.onProbeLost(1452, at + 2)
    }
  })

  it("are not inferred while packets of that size arrive", () => {
    const { mtu } = found()
    for (let at = 0; at < 100; at++) {
      expect(mtu.onPacketLost(1452, at, at)).toBe(false)
      if (at % 2 === 1) mtu.onPacketAcked(1452)
    }
  })

  it("are inferred although smaller packets arrive", () => {
    const { mtu } = found()
    mtu.onPacketLost(1452, 1, 1)
    mtu.onPacketAcked(1300)
    mtu.onPacketLost(1452, 2, 2)
    mtu.onPacketAcked(1300)
    expect(mtu.onPacketLost(1400, 3, 3)).toBe(true)
  })

  it("are suspected after two losses of large datagrams: every second one is small until a large one arrives", () => {
    const { mtu } = found()
    const sizes = (): ReadonlyArray<number> =>
      Array.from({ length: 4 }, () => {
        mtu.datagramsSinceProbe++
        return mtu.nextBytes
      })
    mtu.onPacketLost(1452, 1, 1)
    expect(sizes()).toEqual([1452, 1452, 1452, 1452])
    mtu.onPacketLost(1452, 2, 2)
    expect([...sizes()].sort()).toEqual([1200, 1200, 1452, 1452])
    mtu.onPacketAcked(1200)
    expect([...sizes()].sort()).toEqual([1200, 1200, 1452, 1452])
    mtu.onPacketAcked(1452)
    expect(sizes()).toEqual([1452, 1452, 1452, 1452])
  })

  it("are not inferred from the loss of small packets", () => {
    const { mtu } = found()
    for (let at = 0; at < 10; at++) expect(mtu.onPacketLost(1200, at, at)).toBe(false)
  })

  it("take more evidence where datagrams of any size are lost", () => {
    /** How many consecutive losses of large datagrams it takes, among small ones that arrive. */
    const eventsNeeded = ({ mtu }: Run): number => {
      for (let at = 1; ; at++) {
        mtu.onPacketAcked(40)
        if (mtu.onPacketLost(1452, at, at)) return at
      }
    }
    expect([0, 2, 5, 10, 20, 40, 80].map((lost) => eventsNeeded(found(lost)))).toEqual([
      3, 4, 5, 6, 8, 13, 16
    ])
    expect(eventsNeeded(started(1452).run(1452, MINUTE))).toBe(5)
  })

  it("are not inferred from random loss, whatever the mix of sizes", () => {
    const random = seeded(20)
    for (let connection = 0; connection < 100; connection++) {
      const { mtu } = started(1452).run(1452, MINUTE)
      for (let at = 1; at < 500; at++) {
        const size = random() < 0.3 ? 1452 : 40
        if (random() < 0.2) mtu.onPacketLost(size, at, at)
        else mtu.onPacketAcked(size)
      }
      expect(mtu.current).toBe(1452)
    }
  })

  it("are not inferred from an outage: nothing arrives, large or small", () => {
    const { mtu } = found()
    for (let timeouts = 1; timeouts < 20; timeouts++) expect(mtu.onProbeTimeout(timeouts, 0)).toBe(false)
    expect(mtu.current).toBe(1452)
  })

  it("are followed by a new search after a minute", () => {
    const run = found()
    const at = run.now
    for (let i = 0; i < 3; i++) run.mtu.onPacketLost(1452, at + i, at + i)
    expect(run.mtu.probeSize(at + 59 * SECOND)).toBe(0)
    run.run(1452, at + 120 * SECOND)
    expect(run.mtu.current).toBe(1452)
  })

  it("invalidate a probe in flight", () => {
    const { mtu } = started(65507)
    mtu.onProbeSent(mtu.probeSize(0), 0)
    mtu.onProbeAcked(1452)
    mtu.onProbeSent(mtu.probeSize(0), 0)
    for (let at = 1; at < 6; at++) mtu.onPacketLost(1452, at, at)
    expect(mtu.current).toBe(1200)
    expect(mtu.onProbeAcked(8952)).toBe(false)
    mtu.onProbeLost(8952, 2)
    expect(mtu.current).toBe(1200)
  })

  it("found before the handshake is complete do not start a search", () => {
    const mtu = new MtuDiscovery({ base: 1400, max: 1452 })
    expect(mtu.onProbeTimeout(3, 0)).toBe(true)
    expect(mtu.current).toBe(1200)
    expect(mtu.probeSize(1000 * SECOND)).toBe(0)
  })
})

describe("path MTU discovery on any path", () => {
  // RFC 9000 §14.2 #S1
  it("ends within bounds, with few probes, at a size the path carries", () => {
    const scenario = fc.record({
      pathMax: fc.integer({ min: 1200, max: 65507 }),
      max: fc.integer({ min: 1200, max: 65507 }),
      losses: fc.array(fc.nat(20), { maxLength: 2 })
    })
    fc.assert(
      fc.property(scenario, ({ pathMax, max, losses }) => {
        const { probes, mtu } = started(max).run(pathMax, 300 * SECOND, (probe) => losses.includes(probe))
        expect(mtu.current).toBeGreaterThanOrEqual(1200)
        expect(mtu.current).toBeLessThanOrEqual(Math.min(pathMax, max))
        expect(probes.length).toBeLessThan(30)
        // without losses other than by size, the result is the largest step that passes
        if (losses.length === 0 && pathMax >= max) expect(mtu.current).toBe(max)
        if (losses.length === 0 && max > 1500 && pathMax >= 1472)
          expect(mtu.current).toBeGreaterThanOrEqual(1472)
      })
    )
  })
})
