import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AntiAmplification } from "../../src/path/AntiAmplification.ts"

describe("the anti-amplification limit", () => {
  it("is three times what was received", () => {
    const limit = new AntiAmplification()
    expect(limit.remaining).toBe(0)
    limit.onReceived(1200)
    expect(limit.remaining).toBe(3600)
    limit.onSent(3000)
    expect(limit.remaining).toBe(600)
    limit.onSent(600)
    expect(limit.remaining).toBe(0)
  })

  it("is lifted once the address is validated", () => {
    const limit = new AntiAmplification()
    limit.validate()
    expect(limit.remaining).toBe(Number.POSITIVE_INFINITY)
    expect(new AntiAmplification(true).remaining).toBe(Number.POSITIVE_INFINITY)
  })

  it("is never exceeded by a sender that checks first", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ received: fc.nat(1500), wanted: fc.nat(9000) })), (steps) => {
        const limit = new AntiAmplification()
        let received = 0
        let sent = 0
        for (const step of steps) {
          limit.onReceived(step.received)
          received += step.received
          const size = Math.min(step.wanted, limit.remaining)
          limit.onSent(size)
          sent += size
          expect(sent).toBeLessThanOrEqual(3 * received)
          expect(limit.remaining).toBe(3 * received - sent)
        }
      })
    )
  })
})
