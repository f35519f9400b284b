/** Datagrams of a burst, of which the next is built without asking everybody again. */
import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import type { TransportOptions } from "../../src/QuicOptions.ts"
import { CorePair, type CorePairOptions } from "./CorePair.ts"

const operation = fc.record({
  kind: fc.constantFrom(
    ...(["open", "write", "write", "write", "finish", "reset", "datagram", "keys"] as const),
    ...(["read", "read", "advance", "advance", "priority", "ping", "rotate", "stop"] as const)
  ),
  stream: fc.nat(3),
  size: fc.integer({ min: 1, max: 40_000 })
})
type Operation = typeof operation extends fc.Arbitrary<infer A> ? A : never

const both: ReadonlyArray<"client" | "server"> = ["client", "server"]

const apply = (pair: CorePair, { kind, stream, size }: Operation): void => {
  const { client, nowMicros } = pair
  const server = pair.server!
  const id = 4 * stream
  switch (kind) {
    case "open":
      if (client.streams.canOpen(false)) client.streams.open(false)
      break
    case "write":
      client.streams.write(id, new Uint8Array(size).fill(stream + 1))
      server.streams.write(id, new Uint8Array(size >> 3).fill(stream + 1))
      break
    case "finish":
      client.streams.finish(id)
      break
    case "reset":
      client.streams.reset(id, 7)
      break
    case "stop":
      server.streams.stop(id, 8)
      break
    case "datagram":
      client.datagrams.send(new Uint8Array(Math.min(size, 1000)), false)
      break
    case "keys":
      client.updateKeys()
      break
    case "ping":
      client.ping()
      break
    case "rotate":
      client.rotateIds(nowMicros)
      break
    case "priority":
      client.streams.setPriority(id, size % 3)
      break
    case "read":
      for (const side of both) while (pair[side]!.streams.read(id, size) !== undefined);
      break
    case "advance":
      pair.advance(size)
  }
  pair.exchange()
}

const trace = (
  operations: ReadonlyArray<Operation>,
  lossIn: number,
  options: CorePairOptions
): ReadonlyArray<string> => {
  let n = 0
  const pair = new CorePair({
    ...options,
    between: (bytes) => (++n > 20 && n % lossIn === 0 ? undefined : bytes)
  })
  pair.exchange().advance(50_000).exchange()
  for (let i = 0; i < 3; i++) pair.client.streams.open(false)
  for (const one of operations) apply(pair, one)
  pair.advance(500_000)
  return pair.datagrams.map(({ to, bytes }) => `${to} ${Buffer.from(bytes).toString("base64")}`)
}

const narrow: TransportOptions = {
  connectionWindowBytes: 30_000,
  streamWindowBytes: 16_000,
  maxStreamWindowBytes: 16_000,
  maxDatagramFrameBytes: 2000
}

describe("the next datagram of a burst", () => {
  for (const [name, transport] of [
    ["wide windows", { maxDatagramFrameBytes: 2000 }],
    ["narrow windows", narrow],
    [
      "larger datagrams to be found",
      { maxDatagramFrameBytes: 2000, initialDatagramBytes: 1200, maxDatagramBytes: 9000 }
    ],
    ["IDs that change every 20 packets", { maxDatagramFrameBytes: 2000, rotateIdsAfterPackets: 20 }]
  ] as const)
    it(`is the one that would be built if everybody were asked again, with ${name}`, () => {
      fc.assert(
        fc.property(
          fc.array(operation, { maxLength: 40 }),
          fc.integer({ min: 5, max: 200 }),
          (operations, lossIn) => {
            const options = { client: transport, server: transport }
            const asked = trace(operations, lossIn, { ...options, asBursts: false })
            expect(trace(operations, lossIn, options)).toEqual(asked)
          }
        ),
        { numRuns: 60 }
      )
    })

  it("is built without asking everybody again, until something else is due", () => {
    const pair = new CorePair().exchange().advance(50_000).exchange()
    const { client } = pair
    client.streams.write(client.streams.open(false), new Uint8Array(40_000))
    const asked = vi.spyOn(client.paths, "owingAcks")
    const buffer = new Uint8Array(1500)
    let sent = 0
    while (client.pollTransmit(buffer, 0, pair.nowMicros, () => false, sent > 0) > 0) sent++
    expect(sent).toBeGreaterThan(8)
    // the first, and the end of the burst
    expect(asked).toHaveBeenCalledTimes(2)
  })

  it("is an MTU probe when one is due, after ten of data", () => {
    const pair = new CorePair().exchange().advance(50_000).exchange()
    const { client } = pair
    const { mtu } = client.path
    client.streams.write(client.streams.open(false), new Uint8Array(40_000))
    mtu.datagramsSinceProbe = 5
    let sent = 0
    const size = mtu.current + 20
    vi.spyOn(mtu, "probeSize").mockImplementation(() => (sent > 2 && mtu.datagramsSinceProbe > 0 ? size : 0))
    const buffer = new Uint8Array(2000)
    const sizes: Array<number> = []
    const next = () => client.pollTransmit(buffer, 0, pair.nowMicros, () => false, sent > 0)
    for (let length = next(); length > 0; length = next()) {
      sizes.push(length)
      sent++
    }
    expect(sizes.indexOf(size)).toBe(5)
    expect(sizes.length).toBeGreaterThan(6)
  })
})
