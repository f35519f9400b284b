import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { StreamSet } from "../../src/stream/StreamSet.ts"
import { TransportError } from "../../src/wire/TransportError.ts"
import { connect, limits, pattern } from "./streamPair.ts"

/** Small numbers near the limits, and now and then one far beyond. */
const number = fc.oneof(
  { weight: 20, arbitrary: fc.nat(40) },
  { weight: 10, arbitrary: fc.nat(5000) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 32, 2 ** 53 - 1, 2 ** 60, 2 ** 62 - 1) }
)

type Act = (streams: StreamSet) => TransportError | undefined

const datagram = pattern(0, 0, 6000)

const frame: fc.Arbitrary<Act> = fc.tuple(fc.nat(11), number, number, number, fc.boolean(), fc.nat(3000)).map(
  ([kind, id, b, c, flag, length]): Act =>
    (streams) => {
      switch (kind) {
        case 0:
          return streams.received.onResetStream(id, b % 3, c)
        case 1:
          return streams.received.onResetStreamAt(id, b % 3, c, length)
        case 2:
          return streams.received.onStopSending(id, b)
        case 3:
          return streams.received.onMaxData(b)
        case 4:
          return streams.received.onMaxStreamData(id, b)
        case 5:
          return streams.received.onMaxStreams(flag, b)
        case 6:
          return streams.received.onDataBlocked(b)
        case 7:
          return streams.received.onStreamDataBlocked(id, b)
        case 8:
          return streams.received.onStreamsBlocked(flag, b)
        default:
          return streams.received.onStream(id, b, datagram, 10, 10 + (length % 700), flag && kind === 9)
      }
    }
)

const command: fc.Arbitrary<Act> = fc.tuple(fc.nat(6), fc.nat(12), fc.nat(3000)).map(
  ([kind, id, n]): Act =>
    (streams) => {
      switch (kind) {
        case 0:
          streams.open(n % 2 === 0)
          return
        case 1:
          streams.write(id, datagram.subarray(0, n))
          return
        case 2:
          streams.finish(id)
          return
        case 3:
          streams.reset(id, n)
          return
        case 4:
          streams.stop(id, n)
          return
        default:
          streams.read(id, n)
          return
      }
    }
)

describe("a peer that sends arbitrary frames", () => {
  it("gets an error or nothing, never more memory than its credit, and never an exception", () => {
    const act = fc.oneof({ weight: 3, arbitrary: frame }, { weight: 2, arbitrary: command })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 150, size: "max" }), (acts) => {
        const { server } = connect(
          limits(),
          limits({
            initialMaxData: 9000,
            initialMaxStreamDataBidiRemote: 5000,
            initialMaxStreamsBidi: 8,
            initialMaxStreamsUni: 8
          })
        )
        const { streams } = server
        for (const each of acts) {
          // the connection would be closed; continue nevertheless, as nothing may have changed
          const before = streams.stats()
          const result = each(streams)
          const after = streams.stats()
          if (result instanceof TransportError) expect(after.received).toBe(before.received)
          expect(after.consumed).toBeLessThanOrEqual(after.received)
          expect(after.received).toBeLessThanOrEqual(after.receiveLimit)
          expect(after.readable).toBeLessThanOrEqual(after.received - after.consumed)
          expect(after.receiveAllocated).toBeLessThanOrEqual(
            3 * (after.received - after.consumed) + 128 * after.open
          )
          expect(after.open).toBeLessThan(1000)
          if (streams.hasFrames()) server.transmit()
        }
        for (let packet = server.transmit(); packet !== undefined; packet = server.transmit());
      }),
      { numRuns: Number(process.env.PROPERTY_RUNS ?? 1000) }
    )
  })
})
