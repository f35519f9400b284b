/** A few of the kills of `npm run soak`. */
import { describe, expect, it } from "vitest"
import { kills } from "./kills.ts"

describe("a server killed in the middle of a reply", () => {
  it("is lost by a typed error, answers again in one round trip, and leaves nothing behind in its client", async () => {
    const { kills: all, before, after } = await kills(4, () => {})
    for (const { reason } of all) expect(["StatelessReset", "IdleTimeout"]).toContain(reason)
    // a machine so busy that each attempt times out may use up the session tickets
    expect(all.some(({ isEarly }) => isEarly)).toBe(true)
    const { heapBytes: _, ...held } = before
    expect(held).toEqual({ handlers: 1, fibers: held.fibers, connections: 1, streams: 1, waiting: 3 })
    expect(after).toMatchObject(held)
  }, 180_000)
})
