/** D5: paths that fail and come back in any order, in one direction or both, lose nothing. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type End, ends, otherEnd, TwoPaths } from "../connection/TwoPaths.ts"

const MILLISECOND = 1000
/** More than what backs off during the outages takes to be tried again, and less than a silent path is given up after. */
const patienceMicros = 15_000 * MILLISECOND

/** Which directions of which paths work for how long, and what both ends write meanwhile. */
interface Step {
  readonly millis: number
  readonly works: Readonly<Record<End, readonly [first: boolean, second: boolean]>>
  readonly bytes: number
}

const direction = fc.tuple(fc.boolean(), fc.boolean())
const step: fc.Arbitrary<Step> = fc.record({
  millis: fc.integer({ min: 1, max: 700 }),
  works: fc.record({ client: direction, server: direction }),
  bytes: fc.constantFrom(0, 10, 20_000, 200_000)
})

/** What each end writes on a stream of its own, and has read of the other's. */
class Traffic {
  readonly written = { client: 0, server: 0 }
  readonly read = { client: 0, server: 0 }
  private readonly two: TwoPaths
  private readonly ids: Record<End, number>

  constructor(two: TwoPaths) {
    this.two = two
    this.ids = { client: two.of("client").streams.open(false), server: two.of("server").streams.open(false) }
  }

  write(bytes: number): void {
    for (const end of ends)
      this.written[end] += this.two.of(end).streams.write(this.ids[end], new Uint8Array(bytes))
  }

  /** In pieces, so that what is read opens windows. */
  pass(micros: number): void {
    for (let left = micros; left > 0; left -= 50 * MILLISECOND) {
      this.two.exchange().advance(Math.min(left, 50 * MILLISECOND))
      for (const end of ends) this.take(end)
    }
  }

  private take(end: End): void {
    const { streams } = this.two.of(end)
    for (;;) {
      const chunk = streams.read(this.ids[otherEnd(end)], 1e6)
      if (chunk === undefined || chunk.length === 0) return
      this.read[end] += chunk.length
    }
  }
}

describe("D5: outages of two paths", () => {
  it.each([0, 1])("lose nothing, when path %i works at last", (survivor) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        const two = new TwoPaths()
        const traffic = new Traffic(two)
        // so that the windows are large
        traffic.write(200_000)
        traffic.pass(500 * MILLISECOND)
        for (const { millis, works, bytes } of steps) {
          two.arrives = ({ by, socket }) => works[by][socket]
          traffic.write(bytes)
          traffic.pass(millis * MILLISECOND)
        }
        two.arrives = ({ socket }) => socket === survivor
        traffic.pass(patienceMicros)
        expect(traffic.read).toEqual({ client: traffic.written.server, server: traffic.written.client })
      }),
      { numRuns: 100 }
    )
  })
})
