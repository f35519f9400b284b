/** Each limit of what a peer may have us probe, and that it is hit. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  connectionProbeLimits,
  endpointProbeLimits,
  ProbeBudget,
  type ProbeLimits
} from "../../src/nat/ProbeBudget.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"

const address = (n: number) => socketAddress(`198.51.${n >> 8}.${n & 255}`, 40_000)!
const SECOND = 1_000_000
const HOUR = 3600 * SECOND
const SIZE = 60

/** Only what a test sets is scarce. */
const limits = (scarce: Partial<ProbeLimits>): ProbeLimits => ({
  addressesPerRound: 1e6,
  addressesPerHour: 1e6,
  probesPerSecond: 1e6,
  probesAtOnce: 1e6,
  bytesPerSecond: 1e9,
  bytesAtOnce: 1e9,
  probesPerAddressAndHour: 1e6,
  ...scarce
})

describe("E5 what is probed is bounded", () => {
  it("addresses of a round, until the next", () => {
    const budget = new ProbeBudget(limits({ addressesPerRound: 2 }))
    expect([1, 2, 3].map((n) => budget.admit(address(n), 0))).toEqual([undefined, undefined, "round"])
    expect(budget.admit(address(1), 0)).toBeUndefined()
    budget.startRound()
    expect(budget.admit(address(3), 0)).toBeUndefined()
    expect(budget.counters).toMatchObject({ addresses: 3, refused: { round: 1 } })
  })

  it("addresses in an hour, however many rounds there are; those known already are free", () => {
    const budget = new ProbeBudget(limits({ addressesPerHour: 4 }))
    const admitted = Array.from({ length: 100 }, (_, n) => {
      budget.startRound()
      return budget.admit(address(n), 0)
    })
    expect(admitted.filter((refusal) => refusal === undefined)).toHaveLength(4)
    expect(budget.admit(address(0), 0)).toBeUndefined()
    expect(budget.admit(address(50), HOUR / 4 - SECOND)).toBe("addresses")
    expect(budget.admit(address(50), HOUR / 4)).toBeUndefined()
  })

  it("datagrams: at once, and each second after that", () => {
    const budget = new ProbeBudget(limits({ probesPerSecond: 10, probesAtOnce: 3 }))
    budget.admit(address(1), 0)
    const take = (now: number) => budget.take(address(1), SIZE, now)
    expect([take(0), take(0), take(0), take(0)]).toEqual([undefined, undefined, undefined, "rate"])
    expect(budget.permittedMicros(SIZE, 0)).toBe(SECOND / 10)
    expect(take(SECOND / 10 - 1)).toBe("rate")
    expect(take(SECOND / 10)).toBeUndefined()
    expect(budget.counters).toMatchObject({ probes: 4, bytes: 4 * SIZE, refused: { rate: 2 } })
  })

  it("bytes: at once, and each second after that", () => {
    const budget = new ProbeBudget(limits({ bytesPerSecond: 100, bytesAtOnce: 150 }))
    budget.admit(address(1), 0)
    expect(budget.take(address(1), 100, 0)).toBeUndefined()
    expect(budget.take(address(1), 100, 0)).toBe("bytes")
    expect(budget.permittedMicros(100, 0)).toBe(SECOND / 2)
    expect(budget.take(address(1), 100, SECOND / 2)).toBeUndefined()
    expect(budget.permittedMicros(151, 0)).toBe(Number.POSITIVE_INFINITY)
  })

  it("datagrams to one address in an hour, unless it answers", () => {
    const budget = new ProbeBudget(limits({ probesPerAddressAndHour: 2 }))
    for (const n of [1, 2]) budget.admit(address(n), 0)
    const take = (n: number, now = 0) => budget.take(address(n), SIZE, now)
    expect([take(1), take(1), take(1)]).toEqual([undefined, undefined, "address"])
    expect(take(2)).toBeUndefined()
    expect(take(1, HOUR / 2)).toBeUndefined()
    expect(take(1, HOUR / 2)).toBe("address")
    budget.onAnswered(address(1))
    expect(take(1, HOUR / 2)).toBeUndefined()
  })

  it("an address that was not admitted gets nothing", () => {
    expect(new ProbeBudget().take(address(1), SIZE, 0)).toBe("address")
  })

  it("a round that repeats its addresses every 30 s, nine tries each, is never refused", () => {
    const budget = new ProbeBudget()
    for (let round = 0; round < 1000; round++) {
      budget.startRound()
      const start = round * 30 * SECOND
      for (let n = 0; n < 8; n++) {
        expect(budget.admit(address(n), start)).toBeUndefined()
        for (let i = 0; i < 9; i++) expect(budget.take(address(n), SIZE, start + i * SECOND)).toBeUndefined()
      }
    }
  })

  it("all connections of an endpoint are bounded together", () => {
    const shared = new ProbeBudget(limits({ addressesPerHour: 3, probesPerSecond: 1, probesAtOnce: 2 }))
    const [a, b] = [new ProbeBudget(limits({}), shared), new ProbeBudget(limits({}), shared)]
    expect(a.admit(address(1), 0)).toBeUndefined()
    expect(b.admit(address(1), 0)).toBeUndefined() // not a fresh one for the endpoint
    expect(b.admit(address(2), 0)).toBeUndefined()
    expect(a.admit(address(3), 0)).toBeUndefined()
    expect(b.admit(address(4), 0)).toBe("addresses")
    expect(a.take(address(1), SIZE, 0)).toBeUndefined()
    expect(b.take(address(2), SIZE, 0)).toBeUndefined()
    expect(a.take(address(1), SIZE, 0)).toBe("rate")
    expect(a.permittedMicros(SIZE, 0)).toBe(SECOND)
    expect(a.counters.probes).toBe(1)
    expect(shared.counters).toMatchObject({ probes: 2, addresses: 3, refused: { addresses: 1, rate: 1 } })
  })

  it("what the own limits of a connection refuse is counted for all, once", () => {
    const shared = new ProbeBudget(limits({}))
    const [a, b] = [1, 2].map(() => new ProbeBudget(limits({ addressesPerRound: 1 }), shared))
    for (const budget of [a, b]) for (const n of [1, 2]) budget.admit(address(n), 0)
    expect([a, b, shared].map(({ counters }) => counters.refused.round)).toEqual([1, 1, 2])
  })

  it("whatever a peer asks for, the default limits hold over any time", () => {
    const asks = fc.array(
      fc.record({
        host: fc.nat(2000),
        size: fc.integer({ min: 40, max: 1400 }),
        wait: fc.nat(50_000),
        isNewRound: fc.boolean()
      }),
      { maxLength: 400 }
    )
    fc.assert(
      fc.property(asks, (all) => {
        const shared = new ProbeBudget(endpointProbeLimits)
        const budget = new ProbeBudget(connectionProbeLimits, shared)
        let now = 0
        for (const { host, size, wait, isNewRound } of all) {
          now += wait
          if (isNewRound) budget.startRound()
          if (budget.admit(address(host), now) === undefined) budget.take(address(host), size, now)
        }
        const { probes, bytes, addresses, refused } = budget.counters
        const { probesAtOnce, probesPerSecond, bytesAtOnce, bytesPerSecond, addressesPerHour } =
          connectionProbeLimits
        expect(probes).toBeLessThanOrEqual(probesAtOnce + (probesPerSecond * now) / SECOND + 1)
        expect(bytes).toBeLessThanOrEqual(bytesAtOnce + (bytesPerSecond * now) / SECOND + 1)
        expect(addresses).toBeLessThanOrEqual(addressesPerHour * (1 + now / HOUR) + 1)
        expect(shared.counters).toMatchObject({ probes, bytes, addresses, refused })
      }),
      { numRuns: 50 }
    )
  })
})
