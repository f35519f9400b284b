/** D2: what arrives late, or never, about paths that were abandoned; and two paths that share one set of keys. */
import { describe, expect, it } from "vitest"
import type { ConnectionPath } from "../../src/connection/ConnectionPath.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { type End, ends, otherEnd, secondAddress, type Sent, TwoPaths } from "../connection/TwoPaths.ts"

const SECOND = 1_000_000
const three = { client: { maxPaths: 3 }, server: { maxPaths: 3 } }

const pathAt = (two: TwoPaths, end: End, id: number): ConnectionPath | undefined => two.of(end).paths.byId(id)

/** Sends data one way, and reads it. */
const carries = (two: TwoPaths, from: End, bytes = 20_000): boolean => {
  const { streams } = two.of(from)
  const id = streams.open(false)
  streams.write(id, new Uint8Array(bytes))
  streams.finish(id)
  two.exchange().advance(2 * SECOND)
  let read = 0
  for (;;) {
    const chunk = two.of(otherEnd(from)).streams.read(id, 1e6)
    if (chunk === undefined || chunk.length === 0) return read === bytes
    read += chunk.length
  }
}

/** Nothing in the way of the connection at either end, and nobody blames the other. */
const expectWell = (two: TwoPaths): void => {
  for (const end of ends) {
    expect(two.of(end).closeReason).toBeUndefined()
    expect(two.of(end).parts.strikes.total).toBe(0)
    expect(carries(two, end)).toBe(true)
  }
}

describe("a path that was abandoned", () => {
  it.each(ends)("is kept by the %s until the peer knows, which still sends on it", (by) => {
    const two = new TwoPaths()
    two.arrives = (sent) => sent.by !== by
    two.of(by).multipath.abandon(pathAt(two, by, 1)!, 0, two.nowMicros)
    const other = two.of(otherEnd(by))
    for (let i = 0; i < 10; i++) {
      other.streams.write(other.streams.open(false), new Uint8Array(100))
      two.exchange().advance(SECOND)
    }
    // whoever has forgotten it answers with stateless resets, which end the connection
    expect(pathAt(two, by, 1)).toMatchObject({ status: { state: "closing" } })
    expect(two.pair.ends[by].pollReply()).toBeUndefined()
    two.arrives = () => true
    two.advance(20 * SECOND)
    for (const end of ends) expect(pathAt(two, end, 1)).toBeUndefined()
    expectWell(two)
  })

  // chaos seed 300323: the loop had a turn for nothing, for ever
  it("keeps no timer for its ACKs while no other path may carry them", () => {
    const two = new TwoPaths()
    const server = two.of("server")
    two.arrives = ({ by }) => by !== "server"
    server.multipath.abandon(pathAt(two, "server", 1)!, 0, two.nowMicros)
    two.exchange()
    // the client's address has changed, and is not validated
    const { amplification } = pathAt(two, "server", 0)!.routes.current
    amplification.validated = false
    amplification.onSent(1e9)
    two.arrives = ({ by, socket }) => by === "client" && socket === 1
    for (let i = 0; i < 20; i++) {
      const { streams } = two.of("client")
      streams.write(streams.open(false), new Uint8Array(3000))
    }
    two.exchange()
    const { received } = pathAt(two, "server", 1)!
    expect(received[Space.Application].hasUnacknowledged).toBe(true)
    const later = two.nowMicros + SECOND / 10
    expect(received[Space.Application].ackDeadlineMicros).toBeLessThan(later)
    for (let i = 0; i < 10 && server.timeout(later) <= later; i++) server.handleTimeout(later)
    expect(server.pollTransmit(new Uint8Array(1500), 0, later)).toBe(0)
    expect(server.timeout(later)).toBeGreaterThan(later)
  })

  it("may be answered late: a PATH_RESPONSE to its challenge does nothing", () => {
    const two = new TwoPaths(three)
    const held: Array<Sent> = []
    two.arrives = (sent) => sent.by === "client" || sent.socket === 0 || held.push(sent) === 0
    const third = two.of("client").multipath.open(secondAddress("server"), 1, two.nowMicros) as ConnectionPath
    two.exchange()
    expect(held.length).toBeGreaterThan(0)
    two.of("client").multipath.abandon(third, 0, two.nowMicros)
    two.arrives = () => true
    two.exchange()
    for (const sent of held) two.deliver(sent)
    expect(third.status.state).toBe("closing")
    two.exchange().advance(20 * SECOND)
    for (const end of ends) expect(pathAt(two, end, 2)).toBeUndefined()
    for (const sent of held) two.deliver(sent)
    expectWell(two)
  })

  it.each(ends)("by the %s before it was established, or opened at all, frees its ID", (by) => {
    for (const isOpened of [true, false]) {
      const two = new TwoPaths(three)
      two.arrives = ({ socket }) => socket === 0
      if (isOpened) two.of("client").multipath.open(secondAddress("server"), 1, two.nowMicros)
      if (isOpened && by === "server")
        two.arrives = ({ socket, by: sender }) => socket === 0 || sender === "client"
      two.exchange()
      expect(two.of(by).multipath.abandon(pathAt(two, by, 2)!, 0, two.nowMicros)).toBe(true)
      two.arrives = () => true
      two.exchange().advance(20 * SECOND)
      for (const end of ends)
        expect(two.of(end).paths.all.map(({ id, status }) => `${id} ${status.state}`)).toEqual([
          "0 active",
          "1 active",
          "3 created"
        ])
      expect(two.of("client").multipath.open(secondAddress("server"), 1, two.nowMicros)).toMatchObject({
        id: 3
      })
      expectWell(two)
    }
  })

  it("may have packets that arrive when nobody remembers it", () => {
    const two = new TwoPaths()
    const held: Array<Sent> = []
    two.arrives = (sent) => sent.socket === 0 || held.push(sent) === 0
    for (const end of ends) carries(two, end)
    two.arrives = () => true
    two.of("client").multipath.abandon(pathAt(two, "client", 1)!, 0, two.nowMicros)
    two.exchange().advance(30 * SECOND)
    for (const end of ends) expect(pathAt(two, end, 1)).toBeUndefined()
    expect(held.length).toBeGreaterThan(10)
    for (const sent of held) two.deliver(sent)
    // the resets that answer them are for connection IDs that the other end has retired
    for (const end of ends)
      for (
        let reply = two.pair.ends[end].pollReply();
        reply !== undefined;
        reply = two.pair.ends[end].pollReply()
      )
        two.deliver({ by: end, socket: 0, bytes: reply.bytes.slice() })
    expectWell(two)
  })
})

describe("two paths and one set of keys", () => {
  it("never seal two packets with one nonce, though their numbers are equal", () => {
    const two = new TwoPaths()
    const keys = two.of("client").keys.write[Level.OneRtt]!
    const sealed = [0, 1, 2, 2 ** 32 - 1].map((pathId) => {
      const bytes = new Uint8Array(64)
      keys.seal(bytes, 0, 9, 4, 48, 7, pathId)
      // with equal nonces equal plaintext is equal ciphertext
      return Buffer.from(bytes.subarray(13, 48)).toString("hex")
    })
    expect(new Set(sealed).size).toBe(sealed.length)
    // and a packet is opened only as one of its own path
    for (const path of two.of("client").paths)
      expect(path.recovery.nextPacketNumber(Space.Application)).toBeGreaterThan(2)
    expectWell(two)
    for (const end of ends) expect(two.of(end).receiver.counters.undecryptable).toBe(0)
  })

  it.each([0, 1])("update them though only path %i has seen it at first", (socket) => {
    const two = new TwoPaths()
    two.advance(10 * SECOND)
    const held: Array<Sent> = []
    two.of("client").updateKeys()
    two.arrives = (sent) => sent.socket === socket || held.push(sent) === 0
    carries(two, "client")
    expect(two.of("server").keys.phases.updates).toBe(1)
    expect(held.length).toBeGreaterThan(0)
    two.arrives = () => true
    for (const sent of held) two.deliver(sent)
    two.exchange().advance(10 * SECOND)
    for (const end of ends) {
      expect(two.of(end).receiver.counters.undecryptable).toBe(0)
      expect(two.of(end).keys.phases.state).toBe("settled")
    }
    two.of("server").updateKeys()
    expectWell(two)
    two.advance(10 * SECOND)
    expectWell(two)
    for (const end of ends) expect(two.of(end).keys.phases.updates).toBe(2)
  })
})
