import { describe, expect, it } from "vitest"
import { DeadlineGate } from "../../src/endpoint/DeadlineGate.ts"

describe("deadlines", () => {
  it("fire at once when checked in time with nothing left to read", () => {
    expect(new DeadlineGate().mayFire(31, 500)).toBe(true)
    expect(new DeadlineGate().mayFire(256, Number.NEGATIVE_INFINITY)).toBe(true)
  })

  it("wait for one read of the socket when they passed unchecked", () => {
    const gate = new DeadlineGate()
    expect([0, 1, 2].map(() => gate.mayFire(0, 12_000_000))).toEqual([false, true, false])
  })

  it("wait while the socket may hold more", () => {
    const gate = new DeadlineGate()
    expect([256, 32, 32, 5].map((received) => gate.mayFire(received, 12_000_000))).toEqual([
      false,
      false,
      false,
      true
    ])
  })

  it("are not delayed forever by a flood", () => {
    const gate = new DeadlineGate()
    let turns = 1
    while (!gate.mayFire(256, 1)) turns++
    expect(turns).toBe(129)
  })
})
